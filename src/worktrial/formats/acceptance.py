"""What people made of an agent's patches: `acceptance.jsonl` (or `acceptance.csv`) in the folder of a run."""

from __future__ import annotations

from pydantic import Field

from worktrial.formats.base import Record


class Acceptance(Record):
    """One reviewed patch. In a CSV file these are the columns; an empty field is None."""

    agent: str
    task: str
    n: int = Field(default=1, ge=1)
    """Number of the trial."""
    accepted: bool
    """Whether the change was taken."""
    review_minutes: float | None = Field(default=None, ge=0)
    """That people spent on it; None: unknown."""
