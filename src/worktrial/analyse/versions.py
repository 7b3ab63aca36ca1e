"""Tasks that are the same in two versions of a suite, so that runs on both can be compared on them.

A task is the same when its prompt, the tests that decide it and the way it was put back are. The tree it starts from is
not asked for: backed out of a newer head it is always another one, and the tests that guard what worked grow with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from worktrial.errors import FormatError
from worktrial.formats.run import RunLock
from worktrial.formats.suite import TaskMark
from worktrial.formats.task import Task
from worktrial.store.cache import digest
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite

Apart = Literal["only_first", "only_second", "other_prompt", "other_tests", "other_way_back", "not_recorded"]
"""Why a task of either run is not shared. *not_recorded*: a run was made before this was written down, on a suite that
has changed since."""

APART: dict[Apart, str] = {
    "only_first": "only in the first run",
    "only_second": "only in the second run",
    "other_prompt": "the prompt differs",
    "other_tests": "other tests decide it",
    "other_way_back": "put back on another kind of tree",
    "not_recorded": "a run of an older worktrial does not say what its tasks were",
}


@dataclass(frozen=True)
class Shared:
    """The tasks of two runs that can be compared."""

    tasks: tuple[str, ...]
    apart: dict[str, Apart]
    """Every other task of either run, with the reason."""
    moved: tuple[str, ...]
    """Shared tasks that start from another tree in each run: the same change, backed out of two heads."""
    versions: tuple[int | None, int | None]
    """Of the suite in each run; None: not recorded."""
    same_suite: bool
    """Whether both ran on the very same suite, in name and in all files."""

    def reasons(self) -> dict[Apart, int]:
        """Return how many tasks are not shared for each reason, most frequent first."""
        return dict(Counter(self.apart.values()).most_common())

    def sentence(self) -> str:
        """Return what is compared, for people."""
        if self.same_suite and not self.apart:
            return f"Both runs are on the same {len(self.tasks)} tasks."
        versions = [f"version {version}" if version is not None else "an unknown version" for version in self.versions]
        which = "the same version" if self.same_suite else f"{versions[0]} and {versions[1]} of the suite"
        left = ", ".join(f"{count}: {APART[reason]}" for reason, count in self.reasons().items())
        moved = f", {len(self.moved)} of them backed out of another head" if self.moved else ""
        out = f" Left out: {left}." if left else ""
        return f"Compared on the {len(self.tasks)} tasks that {which} share unchanged{moved}.{out}"


def mark_of(suite: Suite, task: Task, quarantined: Collection[str] = ()) -> TaskMark:
    """Return what makes a task the same; tests in quarantine decide nothing."""
    tests = task.tests
    deciding = {*tests.fail_to_pass, *tests.missing_to_pass, *tests.skip_to_pass}.difference(quarantined)
    return TaskMark(
        prompt=digest(suite.prompt(task.id), *task.prompts),
        deciding=digest(*sorted(deciding)),
        mode=task.mode,
        base_tree=task.base_tree,
    )


def shared_tasks(first: RunDir, second: RunDir) -> Shared:
    """Return the tasks two runs share unchanged, in the first's order. Raises `FormatError` for a torn run."""
    locks = first.lock(), second.lock()
    tasks = first.request().tasks, second.request().tasks
    same_suite = locks[0].suite_digest == locks[1].suite_digest
    marks = [_marks(run, lock) for run, lock in zip((first, second), locks, strict=True)]
    same_tests = same_suite and locks[0].quarantined == locks[1].quarantined
    shared: list[str] = []
    apart: dict[str, Apart] = {}
    for task in dict.fromkeys((*tasks[0], *tasks[1])):
        reason: Apart | None
        if task not in tasks[1]:
            reason = "only_first"
        elif task not in tasks[0]:
            reason = "only_second"
        else:
            reason = None if same_tests else _differ(task, *marks)
        if reason is None:
            shared.append(task)
        else:
            apart[task] = reason
    moved = [task for task in shared if _tree(marks[0], task) != _tree(marks[1], task)]
    versions = locks[0].suite_version, locks[1].suite_version
    return Shared(tuple(shared), apart, tuple(moved), versions, same_suite)


def _differ(task: str, first: dict[str, TaskMark], second: dict[str, TaskMark]) -> Apart | None:
    one, other = first.get(task), second.get(task)
    if one is None or other is None:
        return "not_recorded"
    if one.prompt != other.prompt:
        return "other_prompt"
    if one.mode != other.mode:
        return "other_way_back"
    return "other_tests" if one.deciding != other.deciding else None


def _marks(run: RunDir, lock: RunLock) -> dict[str, TaskMark]:
    """Return the marks a run wrote down; of an older run those of its suite, if that is still as it was."""
    if lock.marks:
        return lock.marks
    request = run.request()
    try:
        suite = Suite.open(Path(request.suite))
        if suite.digest() != lock.suite_digest:
            return {}
        return {task: mark_of(suite, suite.task(task), lock.quarantined.get(task, ())) for task in request.tasks}
    except (FormatError, OSError):
        return {}


def _tree(marks: dict[str, TaskMark], task: str) -> str | None:
    return marks[task].base_tree if task in marks else None
