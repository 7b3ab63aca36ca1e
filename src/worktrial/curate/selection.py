"""Choosing the tests of a task: those the change touched, those that run its lines, those of the same module."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import Ended, Selection
from worktrial.languages.protocol import Language, TestPlan


@dataclass(frozen=True)
class Measured:
    """What a run of the whole suite on the solution told."""

    ended: Ended
    complete: bool
    """Whether every test was run, and not only those there was time for."""
    files: frozenset[str]
    """Files of which a test was run."""
    covering: Mapping[str, Mapping[str, Collection[int]]]
    """Lines each test ran: by test id, then path."""
    tests: int
    wall_s: float


def select(
    language: Language,
    candidate: Candidate,
    lines: Mapping[str, Collection[int]],
    measured: Measured | None,
    limit: int,
    *,
    present: Collection[str] = (),
) -> Selection:
    """Return the tests to run for a candidate.

    `lines` are the changed lines that a test can run, `measured` is None when there are none or nothing ran. At most
    `limit` covering tests are taken: those that run the most of the changed lines. `present` are all files with the
    solution, to find tests of the same module among where there is no measurement to tell.
    """
    has_tests = measured.files if measured is not None else frozenset()
    if measured is None or not measured.complete:
        named = {*candidate.paths("test"), *language.related_tests(candidate.paths("source"), sorted(present))}
        has_tests |= {path for path in named if language.holds_tests(path)}
    touched = tuple(sorted(set(candidate.paths("test")) & has_tests))
    same_module = tuple(set(language.related_tests(candidate.paths("source"), sorted(has_tests))) - set(touched))
    whole = {*touched, *same_module}
    reach: dict[str, int] = {}
    for test, ran in (measured.covering if measured is not None else {}).items():
        hit = sum(len(set(lines.get(path, ())) & set(numbers)) for path, numbers in ran.items())
        if hit and test.split("::", 1)[0] not in whole:
            reach[test] = hit
    ranked = sorted(reach, key=lambda test: (-reach[test], test))
    return Selection(
        touched=touched,
        covering=tuple(sorted(ranked[:limit])),
        same_module=tuple(sorted(same_module)),
        dropped=max(0, len(ranked) - limit),
        coverage="no_lines" if not lines else "measured" if measured is not None else "failed",
    )


def plan_for(selection: Selection, present: Collection[str], shuffle_seed: int | None) -> TestPlan:
    """Return the plan of one run in a state that has the files `present`."""
    files = tuple(path for path in (*selection.touched, *selection.same_module) if path in present)
    ids = tuple(test for test in selection.covering if test.split("::", 1)[0] in present)
    return TestPlan(files=files, ids=ids, shuffle_seed=shuffle_seed)
