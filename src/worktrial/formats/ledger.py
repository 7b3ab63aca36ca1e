"""The ledger of a suite, `ledger.jsonl`: what every expected test did in every run with the landed solution."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.evidence import Status


class LedgerTests(Record):
    """The expected tests of a task from here on; the runs that follow are of these."""

    record: Literal["tests"] = "tests"
    task: str
    version: str
    """Hash of the task's trees and environment: what was seen of another version does not count any more."""
    tests: tuple[str, ...]
    at: Timestamp


class LedgerRun(Record):
    """One run with the landed solution. Tests that are in neither list passed."""

    record: Literal["run"] = "run"
    task: str
    key: str
    """Of this run alone: one that is here already is not added again."""
    source: Literal["validate", "thorough", "oracle"]
    failed: dict[str, Status | Literal["missing"]] = Field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    """Tests that the run was not asked for or did not come to: they say nothing."""
    at: Timestamp


LedgerEntry = Annotated[LedgerTests | LedgerRun, Field(discriminator="record")]
