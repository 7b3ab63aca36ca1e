"""The run's journal, `journal.jsonl`: what happened when, for resuming and for measuring ourselves."""

from __future__ import annotations

from typing import Literal

from worktrial.formats.base import Record, Timestamp


class JournalEntry(Record):
    """One event of a run."""

    at: Timestamp
    event: Literal["started", "resumed", "begun", "trial", "graded", "drained", "finished"]
    """*begun*: a trial is under way. *trial*: an agent's part and its grading are over. *graded*: graded again.
    *drained*: ended with trials left."""
    agent: str = ""
    task: str = ""
    n: int = 0
    outcome: str = ""
    """The verdict's outcome, or how the trial ended when there is none."""
    why: Literal["", "interrupted", "budget"] = ""
    """Of *drained*: somebody asked for it, or the money is spent. Empty in older journals."""
    overhead_s: float | None = None
    """Wall-clock seconds of the trial that were neither agent nor tests."""
