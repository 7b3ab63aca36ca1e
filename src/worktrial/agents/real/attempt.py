"""One attempt of any real agent: started inside behind the bridge, ended by its limits, and read afterwards."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from worktrial.agents.metered import Metered, merge, totals, usage
from worktrial.agents.protocol import Attempt, Endpoint, Outcome
from worktrial.agents.real.bridged import bridged
from worktrial.agents.real.contract import CAPTURED, Ask, Heard, RealAgent
from worktrial.agents.real.endings import CAUSES, ending
from worktrial.agents.real.inside_python import inside, inside_mounts
from worktrial.agents.real.install import find
from worktrial.agents.tool_use import tool_use
from worktrial.agents.verify import NAME, server_command
from worktrial.errors import AgentError, UsageError
from worktrial.formats.run import AgentConfig, McpServer
from worktrial.formats.trajectory import AgentInfo, Step, Trajectory
from worktrial.sandboxes.protocol import Command, Finished, Mount
from worktrial.store.files import write_bytes

_COLLECT_S = 20.0
_MAX_MEMBERS = 2000


class Real:
    """A real agent, configured. Raises `UsageError` for settings it cannot have and `AgentError` when not installed."""

    def __init__(self, agent: RealAgent, config: AgentConfig) -> None:
        _check(agent, config)
        self.agent = agent
        self.config = config
        self._installed = find(agent, config.version)

    @property
    def version(self) -> str:
        """The version of its program."""
        return self._installed.version

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Run the agent to its end or its limits; what it leaves in the workspace counts, however it ended."""
        if attempt.gateway is None:
            return Outcome("infrastructure", cause="no_gateway", detail=CAUSES["no_gateway"], version=self.version)
        try:
            installed = find(self.agent, self.config.version)
        except AgentError as error:
            return Outcome("infrastructure", cause="agent_changed", detail=str(error), version=self.version)
        async with attempt.gateway.endpoint(attempt.trial, self.config, attempt.logs.parent) as endpoint:
            config, mounts = _with_checks(self.config, attempt)
            ask = Ask(config, installed, attempt.prompt, endpoint.token)
            finished = await self._run(attempt, ask, endpoint, mounts)
            write_bytes(attempt.logs / "agent.log", finished.output)
            logs = await _collect(attempt, self.agent)
            return self._outcome(attempt, finished, logs, endpoint.metered())

    async def _run(self, attempt: Attempt, ask: Ask, endpoint: Endpoint, more: tuple[Mount, ...]) -> Finished:
        launch = self.agent.launch(ask)
        mounts = [*more, *ask.installed.mounts, *map(Mount, map(Path, self.config.mounts))]
        env = {**self.agent.quiet, **launch.env, **self.config.env}
        return await attempt.workspace.run(
            bridged(attempt, endpoint, launch, env=env, prompt=ask.prompt, mounts=mounts)
        )

    def _outcome(self, attempt: Attempt, finished: Finished, logs: Mapping[str, bytes], metered: Metered) -> Outcome:
        heard = self.agent.read(logs)
        ended, cause, detail = ending(finished, metered.requests, metered.stopped)
        used = usage(metered.requests)
        steps = merge(_with_prompt(heard, attempt.prompt), metered.requests)
        counts = Counter(call.function_name for step in steps for call in step.tool_calls or ())
        return Outcome(
            ended,
            exit_code=finished.exit_code,
            cause=cause,
            detail=detail,
            usage=used,
            steps=sum(step.source == "agent" for step in steps),
            tool_calls=counts,
            tool_use=tool_use(steps),
            version=self.version,
            trajectory=Trajectory(
                session_id=heard.session or attempt.trial,
                agent=AgentInfo(name=self.config.name, version=self.version, model_name=self.config.model),
                steps=steps,
                final_metrics=totals(metered.requests, steps),
            ),
        )


def _with_checks(config: AgentConfig, attempt: Attempt) -> tuple[AgentConfig, tuple[Mount, ...]]:
    """Return the configuration with the verification server among its MCP servers if it asks for it, and its mounts."""
    if not config.verify:
        return config, ()
    (program, *args), mounts = server_command(attempt.checks)
    # Agents differ in what variables they pass on to a server; without PATH it would not find the environment.
    server = McpServer(command=program, args=tuple(args), env=dict(attempt.env))
    return config.model_copy(update={"mcp": {**config.mcp, NAME: server}}), mounts


def _check(agent: RealAgent, config: AgentConfig) -> None:
    if not config.model:
        raise UsageError(f"agent {config.name} has no model", hint=f"name one: --agent {config.kind}:MODEL")
    if (config.mcp or config.verify) and not agent.mcp:
        raise UsageError(f"agent {config.name} has MCP servers, and {agent.title} takes none")
    if config.command:
        raise UsageError(
            f"agent {config.name} has a command, and {agent.title} is started by its own",
            hint="further arguments go into args",
        )
    for mount in config.mounts:
        if not Path(mount).is_absolute() or not Path(mount).exists():
            what = f"agent {config.name} mounts {mount}, which is not there"
            raise UsageError(what, hint="mounts are absolute paths of files or folders that exist on this machine")


async def _collect(attempt: Attempt, agent: RealAgent) -> dict[str, bytes]:
    """Return the agent's own logs by path below the home, keep them beside its output, and remove its leftovers."""
    finished = await attempt.workspace.run(
        Command(
            inside("launch.py", "collect"),
            timeout_s=_COLLECT_S,
            env=attempt.env,
            stdin=json.dumps({"globs": [*agent.logs, CAPTURED], "remove": agent.leftovers}).encode(),
            mounts=tuple(dict.fromkeys([*attempt.mounts, *inside_mounts()])),
            report=True,
        )
    )
    logs = unpacked(finished.report)
    for name, data in logs.items():
        write_bytes(attempt.logs / "session" / _safe(name), data)
    return logs


def unpacked(report: bytes) -> dict[str, bytes]:
    """Return the files of a tar that untrusted code may have had a hand in, as far as it can be read."""
    found: dict[str, bytes] = {}
    torn = contextlib.suppress(tarfile.TarError, EOFError, ValueError, OverflowError)
    with torn, tarfile.open(fileobj=io.BytesIO(report), mode="r:") as archive:
        for member in archive:
            if len(found) >= _MAX_MEMBERS:
                break
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                found[member.name] = content.read()
    return found


def _safe(name: str) -> Path:
    """Return a relative path of plain names for a name that untrusted code gave."""
    parts = [re.sub(r"[^A-Za-z0-9._=+-]", "_", part)[:120].lstrip(".") or "_" for part in name.split("/") if part]
    return Path(*parts[-8:]) if parts else Path("_")


def _with_prompt(heard: Heard, prompt: str) -> tuple[Step, ...]:
    """Return the steps, with the prompt as the first where the agent's log does not have it."""
    if any(step.source == "user" for step in heard.steps):
        return heard.steps
    first = Step(step_id=1, source="user", message=prompt)
    return (first, *(step.model_copy(update={"step_id": step.step_id + 1}) for step in heard.steps))
