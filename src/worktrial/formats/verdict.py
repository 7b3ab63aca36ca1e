"""Verdicts: what the grader says of a trial."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.evidence import Ended, Status


class Verdict(Record):
    """`verdict.json`, written beside the trial; grading again replaces it."""

    format: Literal["worktrial/verdict@1"] = "worktrial/verdict@1"
    outcome: Literal["solved", "not_solved", "tampered", "infrastructure"]
    """*tampered*: the result is forged or cannot be; a failure like *not_solved*, and shown as what it is.
    *infrastructure* leaves the denominator."""
    cause: str = ""
    """Machine-readable: `tests_failed`, `no_changes`, `patch_does_not_apply`, `tests_timed_out`, `tests_crashed`, …;
    when tampered `forged_report`, `canary_passed`, `canary_missing`, `twin_passed`, `body_not_run`,
    `test_source_changed`, `runner_patched` or `impossible_result`; empty when solved."""
    detail: str = ""
    expected: int
    """Number of tests that had to pass, without those in quarantine."""
    passed: int
    failed: dict[str, Status | Literal["missing"]]
    """Expected tests that did not pass, with what they did instead. *missing*: the run never reported them."""
    quarantined: dict[str, Status | Literal["missing"]] = Field(default_factory=dict)
    """Expected tests that did not count, because they have failed with the landed solution, and what they did."""
    evidence: tuple[str, ...] = ()
    """Signs of tampering that the validated solution does not cause, whatever the outcome; honest code causes some."""
    twins: int = 0
    """Twins (see `worktrial.formats.task.Twin`) that were run on the solution."""
    restored: tuple[str, ...] = ()
    """Paths of test infrastructure that the agent had changed and the grader put back."""
    ended: Ended | None = None
    """How the test process ended; None when none was started."""
    test_s: float = 0.0
    twins_s: float = 0.0
    """Of the twins' test processes, not in `test_s`."""
    grade_s: float = 0.0
    graded_at: Timestamp
