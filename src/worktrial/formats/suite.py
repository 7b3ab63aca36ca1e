"""The suite's own file, `suite.toml`."""

from __future__ import annotations

from typing import Literal

from worktrial.formats.base import Record, Timestamp


class SuiteInfo(Record):
    """What a suite was made from."""

    format: Literal["worktrial/suite@1"] = "worktrial/suite@1"
    name: str
    repository: str
    """Path of the repository as given to `mine`, made absolute: validation reads its objects."""
    head: str
    """Commit that was the head when the suite was mined."""
    mined_at: Timestamp
    commits_read: int
    redacted: bool | None = None
    """Whether secrets and people were taken out of all that is stored; None: mined before that was done."""
