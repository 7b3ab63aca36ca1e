"""Grading one trial, or all trials of a run again."""

from __future__ import annotations

import asyncio
import hashlib
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
    first_error,
)
from worktrial.formats.base import now
from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Task, Twin
from worktrial.formats.verdict import Verdict
from worktrial.grade.assemble import Graded, PatchError, assemble, solution_tree
from worktrial.grade.integrity import ReadBlob, Tampering, contradiction, decisive, new_signs, passed_twin
from worktrial.grade.junit import junit_xml
from worktrial.grade.redacting import TESTS_LOG, Redacting
from worktrial.languages import load
from worktrial.languages.protocol import TestPlan, TestReport
from worktrial.sandboxes.crowded import crowding
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
        *,
        redact: bool = True,
    ) -> None:
        """`quarantined` are expected tests, by task, that are run but do not count.

        `redact`: take secrets and people out of what tests print before it is written; not where the suite's own
        were asked to be kept.
        """
        self._redact = redact and suite.info().redacted is not False
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
        redacting = Redacting(wanted=self._redact)
        trial = trial_dir.trial()
        if trial is None:
            raise FormatError(f"the trial at {trial_dir.path} is not finished")
        if trial.ended in ("infrastructure", "budget"):
            verdict = _untested(task, "infrastructure", trial.cause or trial.ended, trial.detail)
        else:
            try:
                verdict = await self._verdict(trial_dir, task, redacting)
            except StorageError:
                raise
            except (EnvironmentBuildError, InfrastructureError, RepositoryError, SandboxError) as error:
                verdict = _untested(task, "infrastructure", _cause_of(error), str(error))
        verdict = redacting.verdict(verdict)
        redacting.note(trial_dir)
        verdict = verdict.model_copy(update={"grade_s": round(time.monotonic() - started, 4)})
        trial_dir.write_verdict(verdict)
        return verdict

    async def _verdict(self, trial_dir: TrialDir, task: Task, redacting: Redacting) -> Verdict:
        patch = await asyncio.to_thread(_read_patch, trial_dir.patch_path)
        try:
            graded = await asyncio.to_thread(self._assemble, task, patch)
        except PatchError as error:
            return _untested(task, "not_solved", "patch_does_not_apply", error.cause)
        report = await self._test(task, graded.tree, TestPlan(ids=task.tests.all()))
        told = await asyncio.to_thread(redacting.report, report)
        write_text(trial_dir.path / TESTS_LOG, told.output)
        quarantined = self._quarantined.get(task.id, ())
        empty = not patch.strip()
        verdict = judge(task, report, graded, empty=empty, on_disk=self._files(graded), quarantined=quarantined)
        if verdict.outcome == "solved":
            verdict = await self._with_twins(task, graded, verdict)
        verdict = redacting.verdict(verdict)
        write_bytes(trial_dir.path / "results.xml", junit_xml(task, told, verdict))
        return verdict

    def _assemble(self, task: Task, patch: bytes) -> Graded:
        if task.id not in self._whole:
            self._whole[task.id] = solution_tree(self._git, self._suite, task)
        return assemble(self._git, load(task.language), task, patch, self._whole[task.id])

    def _files(self, graded: Graded) -> ReadBlob:
        """Return a reader of the plain files that were tested."""
        modes = self._git.tree_files(graded.tree)

        def read(path: str) -> bytes | None:
            return self._git.blob(graded.tree, path) if modes.get(path, ("",))[0].startswith("100") else None

        return read

    async def _with_twins(self, task: Task, graded: Graded, verdict: Verdict) -> Verdict:
        """Run the task's twins on a solution that passed the tests: one that passes a twin too solved nothing."""
        seeds = sorted({twin.seed for twin in task.twins})
        with first_error():
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(self._run_twins(task, graded, seed)) for seed in seeds]
        seconds = 0.0
        ran = 0
        for twins, report in (run.result() for run in running):
            if report is None:
                continue
            seconds, ran = seconds + report.wall_s, ran + len(twins)
            found = passed_twin(twins, report.statuses)
            if found is None and report.forged:
                found = Tampering("forged_report", report.forged)
            if found is not None and verdict.outcome == "solved":
                verdict = tampered(verdict, found)
        return verdict.model_copy(update={"twins": ran, "twins_s": round(seconds, 4)})

    async def _run_twins(self, task: Task, graded: Graded, seed: int) -> tuple[tuple[Twin, ...], TestReport | None]:
        """Run the twins of one seed; none when no text came out as it was validated."""
        twins = tuple(twin for twin in task.twins if twin.seed == seed)
        files = await asyncio.to_thread(self._twin_files, task, twins)
        twins = tuple(twin for twin in twins if twin.file in files)
        if not twins:
            return (), None
        tree = await asyncio.to_thread(self._git.with_files, graded.tree, files)
        plan = TestPlan(ids=tuple(test for twin in twins for test in twin.tests))
        return twins, await self._test(task, tree, plan)

    def _twin_files(self, task: Task, twins: tuple[Twin, ...]) -> dict[str, bytes]:
        """Return the twins' texts by path, made again from the tests; one that came out otherwise is left out."""
        found = {}
        for twin in twins:
            deciding = task.tests.deciding()
            blob = self._git.blob(self._whole[task.id], twin.file) or b""
            tests = [test for test in deciding if test.split("::", 1)[0] == twin.file]
            made = load(task.language).twin(blob.decode("utf-8", "replace"), tests, twin.seed)
            text = made.text.encode() if made is not None else b""
            if hashlib.sha256(text).hexdigest() == twin.sha256:
                found[twin.file] = text
        return found

    async def _test(self, task: Task, tree: str, plan: TestPlan) -> TestReport:
        language = load(task.language)
        layer = await asyncio.to_thread(tree_layer, self._git, task.base_tree)
        recipe = self._suite.environment(task.environment)
        environment = await language.build(recipe, self._sandbox, layer.files)
        workspace = await self._sandbox.open((environment.additions, layer.files), self._limits)
        try:
            await change_tree(workspace, self._git, layer, tree)
            return await language.test(workspace, environment, plan, task.test_timeout_s * crowding())
        finally:
            await workspace.close()


def _read_patch(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InfrastructureError("the trial has no patch.diff", cause=str(path)) from error


def judge(
    task: Task,
    report: TestReport,
    graded: Graded,
    *,
    empty: bool,
    on_disk: ReadBlob,
    quarantined: Collection[str] = (),
) -> Verdict:
    """Return the verdict on what the tests said: solved if every expected test passed and nothing contradicts it.

    `on_disk` reads files as they were before the tests began; that a test module was compiled from something else is
    tampering.
    """
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
    signs = new_signs(task, report)
    verdict = Verdict(
        outcome="not_solved" if cause else "solved",
        cause=cause,
        detail=f"the runner's exit code was {report.exit_code}" if cause == "exit_code_disagrees" else "",
        expected=len(did),
        passed=len(did) - len(failed),
        failed=failed,
        quarantined=left_out,
        evidence=signs,
        restored=graded.restored,
        ended=report.ended,
        test_s=round(report.wall_s, 4),
        graded_at=now(),
    )
    found = contradiction(task, report, on_disk) or (None if cause else decisive(signs))
    return verdict if found is None else tampered(verdict, found)


def tampered(verdict: Verdict, found: Tampering) -> Verdict:
    """Return a verdict as one that is not believed."""
    return verdict.model_copy(update={"outcome": "tampered", "cause": found.cause, "detail": found.detail})


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
