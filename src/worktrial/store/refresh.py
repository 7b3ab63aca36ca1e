"""A refresh on disk: the plan, the tasks as they were, and putting the new version in their place.

Every step can be done again: a refresh that was killed goes on where it was, and the suite's version is raised last.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from worktrial.formats.suite import RefreshPlan, Retired, SuiteChange
from worktrial.store.files import read_model, write_json, writing
from worktrial.store.suite import Suite


class Refresh:
    """The folder `refresh/` of a suite, there only while a refresh is under way."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self.path = suite.path / "refresh"

    def plan(self) -> RefreshPlan | None:
        """Return what was begun, or None when no refresh is under way."""
        path = self.path / "plan.json"
        return read_model(path, RefreshPlan, "plan of the refresh") if path.exists() else None

    def begin(self, plan: RefreshPlan) -> None:
        """Keep the tasks as they are, then write the plan: with it, the refresh has begun."""
        with writing(self.path):
            shutil.rmtree(self.path, ignore_errors=True)
            for task in plan.marks:
                shutil.copytree(self._suite.task_dir(task), self.before(task))
        write_json(self.path / "plan.json", plan)

    def before(self, task: str) -> Path:
        """Return the folder of a task as it was."""
        return self.path / "before" / task

    def outcome(self) -> SuiteChange | None:
        """Return what the refresh came to, or None while tasks are being validated."""
        path = self.path / "change.json"
        return read_model(path, SuiteChange, "outcome of the refresh") if path.exists() else None

    def finish(self, plan: RefreshPlan, change: SuiteChange) -> None:
        """Put `change` into effect. Raises `StorageError`."""
        write_json(self.path / "change.json", change)
        with writing(self.path):
            for task in change.went:
                self._retire(task, change)
            for task in change.as_before:
                if self.before(task).exists():
                    _remove(self._suite.task_dir(task))
                    self.before(task).rename(self._suite.task_dir(task))
        versions = [one.version for one in self._suite.history]
        if not versions:
            first = SuiteChange(
                version=plan.version - 1, head=plan.old_head, at=plan.begun_at, came=tuple(sorted(plan.marks))
            )
            self._suite.history.append(first)
        if change.version not in versions:
            self._suite.history.append(change)
        self._suite.write_info(self._suite.info().model_copy(update={"version": change.version}))
        with writing(self.path):
            (self.path / "plan.json").unlink()  # first: without it there is no refresh
            shutil.rmtree(self.path)

    def _retire(self, task: str, change: SuiteChange) -> None:
        kept, target = self.before(task), self._suite.retired_dir(task, change.version)
        if kept.exists():
            retired = Retired(
                task=task,
                reason=change.went[task],
                detail=change.details.get(task, ""),
                version=change.version,
                head=change.head,
                at=change.at,
            )
            write_json(kept / "retired.json", retired)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(kept, target)  # noqa: PTH104  # fails where something else is, as it should
        _remove(self._suite.task_dir(task))


def retired_earlier(suite: Suite) -> dict[str, Retired]:
    """Return the tasks that left the suite by a refresh and did not come back, with the last reason each."""
    found: dict[str, Retired] = {}
    for path in sorted(suite.path.glob("retired/*/*/retired.json"), key=lambda path: int(path.parent.name)):
        retired = read_model(path, Retired, "record of a retired task")
        if not (suite.task_dir(retired.task) / "task.toml").exists():
            found[retired.task] = retired
    return found


def _remove(task: Path) -> None:
    if task.exists():
        (task / "task.toml").unlink(missing_ok=True)  # first: a task without it is none
        shutil.rmtree(task)
