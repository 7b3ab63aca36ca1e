"""One trial: a fresh workspace, the agent's attempt, and the patch it leaves."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from worktrial.agents import CONTROLS, context_file, converses
from worktrial.agents.context_files import switched
from worktrial.agents.protocol import Agent, Attempt, Gateway, Outcome
from worktrial.agents.tool_use import tool_use
from worktrial.errors import EnvironmentBuildError, InfrastructureError, RepositoryError, SandboxError
from worktrial.formats.base import now
from worktrial.formats.run import AgentConfig, TrialLimits
from worktrial.formats.task import Task, consolidated
from worktrial.formats.trajectory import Trajectory
from worktrial.formats.trial import HowAsked, Timings, ToolUse, Trial, Usage
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import RECORDS, read_records
from worktrial.gateway.trials import usage_of
from worktrial.languages import load
from worktrial.languages.protocol import BuiltEnvironment
from worktrial.run.link import asks
from worktrial.run.redacting import redact_trial
from worktrial.sandboxes.layers import TreeLayer, read_tree, repository_layer, tree_layer
from worktrial.sandboxes.protocol import Sandbox, Workspace
from worktrial.store.files import write_bytes, writing
from worktrial.store.run import TrialDir
from worktrial.store.suite import Suite

_GRACE_S = 30.0
"""How much longer than its limit an agent of ours may take to notice it, before it is cancelled."""


class Attempts:
    """Makes trials of one suite. Safe to use for several trials at once."""

    def __init__(
        self,
        suite: Suite,
        sandbox: Sandbox,
        scratch: Path,
        limits: TrialLimits,
        budget: Budget,
        *,
        gateway: Gateway | None = None,
    ) -> None:
        self._suite = suite
        self._sandbox = sandbox
        self._git = suite.open_store(scratch)
        self._limits = limits
        self._budget = budget
        self._gateway = gateway
        self._redacts = suite.info().redacted is not False

    async def make(self, agent: Agent, config: AgentConfig, task: Task, trial_dir: TrialDir) -> Trial:
        """Let `agent` attempt `task` and write patch, trajectory, logs and, last, `trial.json`.

        A failure that is not the agent's ends the trial as *infrastructure*, with the time that it took and what was
        asked of models until then. Raises `StorageError` on a full disk.
        """
        started_at, clock = now(), _Clock()
        with writing(trial_dir.logs):
            trial_dir.logs.mkdir(parents=True, exist_ok=True)
        trajectory = None
        try:
            trial, trajectory = await self._make(agent, config, task, trial_dir, clock=clock)
        except (EnvironmentBuildError, InfrastructureError, RepositoryError, SandboxError) as error:
            trial = Trial(
                agent=config.name,
                task=task.id,
                n=trial_dir.n,
                started_at=started_at,
                ended="infrastructure",
                cause=type(error).__name__.removesuffix("Error").lower() + "_failed",
                detail=str(error),
                usage=await asyncio.to_thread(_used, trial_dir.path, silent=not clock.laps or self._is_metered(config)),
                timings=clock.timings(),
                control=config.kind in CONTROLS,
                sandbox=self._sandbox.tier,
            )
        if self._redacts:
            trajectory, detail = await asyncio.to_thread(redact_trial, trial_dir, trajectory, trial.detail)
            trial = trial.model_copy(update={"detail": detail})
        if trajectory is not None:
            trial_dir.write_trajectory(trajectory)
        trial_dir.write_trial(trial)
        return trial

    async def set_aside(self, trial_dir: TrialDir) -> None:
        """Move what an unfinished attempt left out of the way; its logs are redacted as those of a finished one are."""
        if self._redacts and trial_dir.logs.exists() and trial_dir.trial() is None:
            await asyncio.to_thread(redact_trial, trial_dir, None)
        trial_dir.set_aside()

    async def _make(
        self, agent: Agent, config: AgentConfig, task: Task, trial_dir: TrialDir, *, clock: _Clock
    ) -> tuple[Trial, Trajectory | None]:
        started_at = now()
        layer = await asyncio.to_thread(tree_layer, self._git, task.base_tree)
        recipe = self._suite.environment(task.environment)
        environment = await load(task.language).build(recipe, self._sandbox, layer.files)
        repository = await asyncio.to_thread(repository_layer, self._git, layer, environment.additions)
        workspace = await self._sandbox.open((repository, environment.additions, layer.files), self._limits)
        try:
            clock.lap()
            asked = self._asked(task, config)
            outcome = await self._attempt((agent, config), task, workspace, environment, trial_dir, asked=asked)
            clock.lap()
            patch = await self._patch(workspace, layer, environment, task)
        finally:
            await workspace.close()
        await asyncio.to_thread(write_bytes, trial_dir.patch_path, patch)
        trial = Trial(
            agent=config.name,
            task=task.id,
            n=trial_dir.n,
            started_at=started_at,
            ended=outcome.ended,
            exit_code=outcome.exit_code,
            cause=outcome.cause,
            detail=outcome.detail,
            usage=outcome.usage,
            tool_calls=dict(outcome.tool_calls),
            tool_use=outcome.tool_use or _tool_use(outcome),
            agent_version=outcome.version,
            served_by=dict(outcome.served_by),
            steps=outcome.steps,
            timings=clock.timings(),
            control=config.kind in CONTROLS,
            asked=asked.how,
            sandbox=workspace.tier,
            patch_files=patch.count(b"\ndiff --git ") + patch.startswith(b"diff --git "),
            patch_bytes=len(patch),
        )
        return trial, outcome.trajectory

    async def _attempt(
        self,
        contender: tuple[Agent, AgentConfig],
        task: Task,
        workspace: Workspace,
        environment: BuiltEnvironment,
        trial_dir: TrialDir,
        *,
        asked: _Asked,
    ) -> Outcome:
        agent, config = contender
        language = load(task.language)
        active = language.activation(environment, workspace)
        attempt = Attempt(
            trial=f"{trial_dir.agent}/{task.id}/{trial_dir.n}",
            prompt=asked.prompt,
            then=asked.then,
            workspace=workspace,
            env=active.env,
            mounts=active.mounts,
            limits=self._limits,
            budget=self._budget,
            logs=trial_dir.logs,
            checks=language.checks(partial(self._git.file_text, task.base_tree), active.env["PATH"]),
            solution=lambda: self._suite.patch(task.id, "solution"),
            gateway=self._gateway,
        )
        async with switched(attempt, config.context, context_file(config.kind)) as prompt:
            try:
                async with asyncio.timeout(self._limits.timeout_s + _GRACE_S):
                    return await agent.attempt(replace(attempt, prompt=prompt))
            except TimeoutError:
                return Outcome(ended="timeout", cause="timeout", detail="the agent did not stop at its time limit")

    def _is_metered(self, config: AgentConfig) -> bool:
        """Whether all that an agent asks of models is on record."""
        return config.kind in CONTROLS or (self._gateway is not None and asks(config))

    def _asked(self, task: Task, config: AgentConfig) -> _Asked:
        """Return what an agent is asked, and how: turn by turn where it can be, else all prompts in one."""
        if len(task.prompts) < 2:
            return _Asked(self._suite.prompt(task.id))
        if converses(config.kind):
            return _Asked(task.prompts[0], task.prompts[1:], "conversation")
        return _Asked(consolidated(task.prompts), (), "consolidated")

    async def _patch(self, workspace: Workspace, layer: TreeLayer, environment: BuiltEnvironment, task: Task) -> bytes:
        tree = await read_tree(workspace, self._git, layer, environment.additions)
        return await asyncio.to_thread(self._git.diff, task.base_tree, tree)


def _tool_use(outcome: Outcome) -> ToolUse | None:
    """Return what an agent's calls were for, where it says what it called."""
    return tool_use(outcome.trajectory.steps) if outcome.tool_calls and outcome.trajectory else None


@dataclass(frozen=True)
class _Asked:
    """What an agent is asked."""

    prompt: str
    then: tuple[str, ...] = ()
    how: HowAsked | None = None
    """None: the task has one prompt."""


class _Clock:
    """Wall-clock seconds of the workspace, the agent and the patch, one lap each."""

    def __init__(self) -> None:
        self.laps: list[float] = []
        self._last = time.monotonic()

    def lap(self) -> None:
        before, self._last = self._last, time.monotonic()
        self.laps.append(round(self._last - before, 4))

    def timings(self) -> Timings:
        """Return all laps; the one that is under way ends now."""
        self.lap()
        return Timings(**dict(zip(("workspace_s", "agent_s", "patch_s"), self.laps, strict=False)))


def _used(folder: Path, *, silent: bool) -> Usage:
    """Return what a failed attempt used by the gateway's record.

    Without a record nothing, if it is `silent` that nothing was asked, or else that is unknown.
    """
    if (folder / RECORDS).exists():
        return usage_of(read_records(folder))
    return Usage(cost_usd=0.0, cost_source="metered") if silent else Usage()
