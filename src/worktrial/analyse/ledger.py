"""Reading and keeping a suite's ledger: which tests are set aside, which have come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from worktrial.analyse.flips import Seen, is_quarantined
from worktrial.formats.base import now
from worktrial.formats.evidence import Status
from worktrial.formats.ledger import LedgerRun, LedgerTests
from worktrial.formats.task import Task
from worktrial.store.cache import digest
from worktrial.store.suite import Suite

Source = Literal["validate", "thorough", "oracle"]


class Ledger:
    """A suite's ledger, read once and kept up as runs are added."""

    def __init__(self, suite: Suite) -> None:
        self._journal = suite.ledger
        self._tests: dict[str, LedgerTests] = {}
        self._seen: dict[str, dict[str, Seen]] = {}
        self._keys: set[str] = set()
        for entry in self._journal:
            self._take(entry)

    def add(
        self,
        task: Task,
        source: Source,
        key: str,
        *,
        failed: Mapping[str, Status | Literal["missing"]],
        unseen: Iterable[str] = (),
    ) -> None:
        """Add a run with the landed solution; one whose `key` is there already is left alone. Raises `StorageError`."""
        key = digest(version(task), source, key)
        if key in self._keys:
            return
        tests = task.tests.all()
        known = self._tests.get(task.id)
        if known is None or (known.version, known.tests) != (version(task), tests):
            self._append(LedgerTests(task=task.id, version=version(task), tests=tests, at=now()))
        of_task = set(tests)
        self._append(
            LedgerRun(
                task=task.id,
                key=key,
                source=source,
                failed={test: status for test, status in failed.items() if test in of_task},
                unseen=tuple(test for test in unseen if test in of_task),
                at=now(),
            )
        )

    def seen(self, task: Task) -> dict[str, Seen]:
        """Return what is known of each expected test of a task as it is now."""
        known = self._tests.get(task.id)
        seen = self._seen.get(task.id, {}) if known is not None and known.version == version(task) else {}
        return {test: seen.get(test, Seen()) for test in task.tests.all()}

    def quarantined(self, task: Task) -> tuple[str, ...]:
        """Return the expected tests of a task that do not count for now."""
        return tuple(test for test, seen in self.seen(task).items() if is_quarantined(seen.failures, seen.runs))

    def _append(self, entry: LedgerTests | LedgerRun) -> None:
        self._journal.append(entry)
        self._take(entry)

    def _take(self, entry: LedgerTests | LedgerRun) -> None:
        if isinstance(entry, LedgerTests):
            before = self._tests.get(entry.task)
            if before is not None and before.version != entry.version:
                self._seen.pop(entry.task, None)
            self._tests[entry.task] = entry
        elif entry.key not in self._keys and entry.task in self._tests:
            self._keys.add(entry.key)
            seen = self._seen.setdefault(entry.task, {})
            for test in set(self._tests[entry.task].tests).difference(entry.unseen):
                seen[test] = seen.get(test, Seen()).then(passed=test not in entry.failed)


def version(task: Task) -> str:
    """Return a hash of what a task's tests run on."""
    return digest(task.base_tree, task.tests_tree, task.solution_tree, task.environment)


def still_decides(task: Task, quarantined: Iterable[str]) -> bool:
    """Whether a test is left that only passes with the change."""
    return bool({*task.tests.fail_to_pass, *task.tests.missing_to_pass}.difference(quarantined))
