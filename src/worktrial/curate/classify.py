"""Telling tests apart by what they did in each state: pure functions over statuses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from worktrial.formats.evidence import Status, TestRun
from worktrial.formats.task import ExpectedTests

Kind = Literal["pass", "fail", "skip", "other", "missing", "unknown"]
"""What a status means for the decision. *other*: expected failures, which say nothing either way. *missing*: the test
does not exist in that state. *unknown*: the run ended before it could come."""

_KINDS: dict[Status, Kind] = {
    "passed": "pass",
    "failed": "fail",
    "error": "fail",
    "timeout": "fail",
    "uncollected": "fail",
    "skipped": "skip",
    "xfailed": "other",
    "xpassed": "other",
}


@dataclass(frozen=True)
class Classes:
    """Every test that ran in any state, in exactly one class."""

    fail_to_pass: tuple[str, ...] = ()
    missing_to_pass: tuple[str, ...] = ()
    skip_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()
    """Did not do the same in every run of a state."""
    broken: tuple[str, ...] = ()
    """Passed before the change and fail with it."""
    failing: tuple[str, ...] = ()
    """Fail with the solution, and did not pass before it either: this environment, or this day, is not theirs."""
    uninformative: tuple[str, ...] = field(default=())
    """Skipped, expected to fail, or gone with the solution."""

    def expected(self) -> ExpectedTests:
        """Return what a solution must pass."""
        return ExpectedTests(
            fail_to_pass=self.fail_to_pass,
            missing_to_pass=self.missing_to_pass,
            skip_to_pass=self.skip_to_pass,
            pass_to_pass=self.pass_to_pass,
        )

    def counts(self) -> dict[str, int]:
        """Return the size of each class that has any."""
        return {name: len(tests) for name, tests in vars(self).items() if tests}


def kind(test: str, run: TestRun, statuses: dict[str, Status]) -> Kind:
    """Return what a test did in a run; `statuses` are those of `run`, which are slow to ask for."""
    status = statuses.get(test) or statuses.get(test.split("::", 1)[0])
    if status is not None:
        return _KINDS[status]
    if run.ended == "crashed" and not statuses:
        return "fail"  # the runner could not even start, as when a conftest imports what the change adds
    return "missing" if run.ended == "completed" else "unknown"


def classify(base: Sequence[TestRun], tests: Sequence[TestRun], solution: Sequence[TestRun]) -> Classes:
    """Return the classes of all tests. Each sequence holds every run of one state; an empty one says nothing.

    Files that could not be imported are no tests and are left out; the tests in them count as failed, and so does every
    test where the runner ended before the first one.
    """
    tables = [[run.statuses() for run in runs] for runs in (base, tests, solution)]
    seen = dict.fromkeys(test for table in tables for statuses in table for test in statuses if "::" in test)
    found: dict[str, list[str]] = {}
    for test in seen:
        did = [
            {kind(test, run, statuses) for run, statuses in zip(runs, table, strict=True)}
            for runs, table in zip((base, tests, solution), tables, strict=True)
        ]
        found.setdefault(_class_of(*did), []).append(test)
    return Classes(**{name: tuple(members) for name, members in found.items()})


def _class_of(base: set[Kind], tests: set[Kind], solution: set[Kind]) -> str:
    if len(solution) != 1 or len(tests) > 1 or len(base) > 1 or "unknown" in base | tests | solution:
        return "unstable"
    (after,) = solution
    if after == "fail":
        return "broken" if base == {"pass"} else "failing"
    if after != "pass":
        return "uninformative"
    before = next(iter(tests), "missing")
    return {"fail": "fail_to_pass", "missing": "missing_to_pass", "skip": "skip_to_pass", "pass": "pass_to_pass"}.get(
        before, "uninformative"
    )


def may_decide(tests: TestRun, solution: TestRun) -> bool:
    """Whether a single pair of runs leaves hope for a test that only passes with the solution."""
    classes = classify((), [tests], [solution])
    return bool(classes.fail_to_pass or classes.missing_to_pass or classes.skip_to_pass)


def judge(classes: Classes) -> tuple[bool, str, str]:
    """Return whether a task is accepted, the machine-readable reason, and a detail for people."""
    if classes.broken:
        return False, "broken_by_solution", _some(classes.broken)
    if classes.fail_to_pass or classes.missing_to_pass:
        return True, "accepted", ""
    if classes.unstable:
        return False, "unstable", _some(classes.unstable)
    return False, "no_fail_to_pass", "no test fails without the change and passes with it"


def _some(tests: Iterable[str], most: int = 3) -> str:
    listed = list(tests)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
