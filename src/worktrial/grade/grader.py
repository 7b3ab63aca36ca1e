"""Grading one trial, or all trials of a run again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from worktrial.errors import (
    EnvironmentBuildError,
    FormatError,
    InfrastructureError,
    RepositoryError,
    SandboxError,
    StorageError,
    WorktrialError,
)
from worktrial.formats.base import now
from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Task
from worktrial.formats.verdict import Verdict
from worktrial.grade.assemble import Graded, PatchError, assemble, solution_tree
from worktrial.grade.junit import junit_xml
from worktrial.languages import load
from worktrial.languages.protocol import TestPlan, TestReport
from worktrial.sandboxes.layers import change_tree, tree_layer
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.files import write_bytes, write_text
from worktrial.store.run import TrialDir
from worktrial.store.suite import Suite


class Grader:
    """Grades trials of one suite. Safe to use for several trials at once."""

    def __init__(
        self,
        suite: Suite,
        sandbox: Sandbox,
        scratch: Path,
        limits: TrialLimits,
        quarantined: Mapping[str, tuple[str, ...]],
    ) -> None:
        """`quarantined` are expected tests, by task, that are run but do not count."""
        self._quarantined = quarantined
        self._suite = suite
        self._sandbox = sandbox
        self._git = suite.open_store(scratch)
        self._limits = limits
        self._whole: dict[str, str] = {}

    async def grade(self, trial_dir: TrialDir, task: Task) -> Verdict:
        """Grade a finished trial and write `verdict.json`, `results.xml` and the tests' log beside it.

        A failure that is not the agent's becomes an *infrastructure* verdict. Raises `StorageError` on a full disk.
        """
        started = time.monotonic()
        trial = trial_dir.trial()
        if trial is None:
            raise FormatError(f"the trial at {trial_dir.path} is not finished")
        if trial.ended in ("infrastructure", "budget"):
            verdict = _untested(task, "infrastructure", trial.cause or trial.ended, trial.detail)
        else:
            try:
                verdict = await self._verdict(trial_dir, task)
            except StorageError:
                raise
            except (EnvironmentBuildError, InfrastructureError, RepositoryError, SandboxError) as error:
                verdict = _untested(task, "infrastructure", _cause_of(error), str(error))
        verdict = verdict.model_copy(update={"grade_s": round(time.monotonic() - started, 4)})
        trial_dir.write_verdict(verdict)
        return verdict

    async def _verdict(self, trial_dir: TrialDir, task: Task) -> Verdict:
        patch = await asyncio.to_thread(_read_patch, trial_dir.patch_path)
        try:
            graded = await asyncio.to_thread(self._assemble, task, patch)
        except PatchError as error:
            return _untested(task, "not_solved", "patch_does_not_apply", error.cause)
        report = await self._test(task, graded)
        write_text(trial_dir.logs / "tests.log", report.output)
        write_bytes(trial_dir.path / "results.xml", junit_xml(task, report))
        return judge(task, report, graded, empty=not patch.strip(), quarantined=self._quarantined.get(task.id, ()))

    def _assemble(self, task: Task, patch: bytes) -> Graded:
        if task.id not in self._whole:
            self._whole[task.id] = solution_tree(self._git, self._suite, task)
        return assemble(self._git, load(task.language), task, patch, self._whole[task.id])

    async def _test(self, task: Task, graded: Graded) -> TestReport:
        language = load(task.language)
        layer = await asyncio.to_thread(tree_layer, self._git, task.base_tree)
        recipe = self._suite.environment(task.environment)
        environment = await language.build(recipe, self._sandbox, layer.files)
        workspace = await self._sandbox.open((environment.additions, layer.files), self._limits)
        try:
            await change_tree(workspace, self._git, layer, graded.tree)
            return await language.test(workspace, environment, TestPlan(ids=task.tests.all()), task.test_timeout_s)
        finally:
            await workspace.close()


def _read_patch(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InfrastructureError("the trial has no patch.diff", cause=str(path)) from error


def judge(task: Task, report: TestReport, graded: Graded, *, empty: bool, quarantined: Collection[str] = ()) -> Verdict:
    """Return the verdict on what the tests said: solved if every expected test passed and nothing contradicts it."""
    expected = task.tests.all()
    statuses = report.statuses
    did = {test: statuses.get(test) or statuses.get(test.split("::", 1)[0]) or "missing" for test in expected}
    left_out = {test: did.pop(test) for test in quarantined if test in did}
    failed = {test: status for test, status in did.items() if status != "passed"}
    if report.ended != "completed":
        cause = "tests_timed_out" if report.ended == "timeout" else f"tests_{report.ended}"
    elif failed:
        cause = "no_changes" if empty else "tests_failed"
    elif report.exit_code != 0 and all(status == "passed" for status in left_out.values()):
        cause = "exit_code_disagrees"
    else:
        cause = ""
    return Verdict(
        outcome="not_solved" if cause else "solved",
        cause=cause,
        detail=f"the runner's exit code was {report.exit_code}" if cause == "exit_code_disagrees" else "",
        expected=len(did),
        passed=len(did) - len(failed),
        failed=failed,
        quarantined=left_out,
        restored=graded.restored,
        ended=report.ended,
        test_s=round(report.wall_s, 4),
        graded_at=now(),
    )


def _untested(task: Task, outcome: Literal["not_solved", "infrastructure"], cause: str, detail: str) -> Verdict:
    """Return a verdict for which no test was run."""
    expected = task.tests.all()
    return Verdict(
        outcome=outcome,
        cause=cause,
        detail=detail,
        expected=len(expected),
        passed=0,
        failed=dict.fromkeys(expected, "missing") if outcome == "not_solved" else {},
        graded_at=now(),
    )


def _cause_of(error: WorktrialError) -> str:
    if isinstance(error, EnvironmentBuildError):
        return "environment_failed"
    return "sandbox_failed" if isinstance(error, SandboxError) else "grading_failed"
