"""Which agents a run is asked for: tables of `worktrial.toml`, or a kind with a model on the command line."""

from __future__ import annotations

import difflib
import re
from typing import Any

from worktrial import agents
from worktrial.errors import UsageError
from worktrial.formats.run import AgentConfig


def contender(spec: str, configured: dict[str, AgentConfig], overrides: dict[str, Any]) -> AgentConfig:
    """Return the agent that `--agent SPEC` asks for: a configured name, `KIND`, `KIND:MODEL` or `command:CMDLINE`.

    `overrides` are settings of the command line for agents that call a model. Raises `UsageError`.
    """
    if spec in configured:
        return configured[spec]
    kind, _, rest = spec.partition(":")
    if kind in configured:
        return configured[kind].model_copy(update={"name": _safe(spec), "model": rest})
    if kind == "command":
        from worktrial.agents.command import command_config

        return command_config(_safe(spec), rest)
    if kind not in agents.kinds():
        known = [*configured, *agents.kinds()]
        near = difflib.get_close_matches(kind, known, n=1)
        raise UsageError(
            f"unknown agent {kind!r}",
            cause=f"there are: {', '.join(known)}",
            hint=f"did you mean {near[0]!r}?" if near else "describe it in worktrial.toml as [agents.NAME]",
        )
    given = (
        {key: value for key, value in overrides.items() if value is not None}
        if kind == "basic" or kind in agents.real_kinds()
        else {}
    )
    return AgentConfig(name=_safe(spec), kind=kind, model=rest or None, **given)


VERIFIED = "+verify"
"""What is added to an agent's name when it is tried once more with the project's checks as tools."""


def with_verify(configs: tuple[AgentConfig, ...]) -> tuple[AgentConfig, ...]:
    """Return the agents, each followed by itself with the project's checks as tools. Controls and programs that take
    no tools of ours are left alone; raises `UsageError` when nobody is left.
    """
    doubled: list[AgentConfig] = []
    for config in configs:
        doubled.append(config)
        if agents.takes_tools(config.kind) and not config.verify:
            doubled.append(config.model_copy(update={"name": config.name + VERIFIED, "verify": True}))
    if len(doubled) == len(configs):
        raise UsageError(
            "--with-verify has nobody to give tools to",
            cause=f"these take none: {', '.join(config.name for config in configs)}",
            hint="it is for basic, ide and the real agents that speak MCP: see worktrial agents",
        )
    return tuple(doubled)


def _safe(spec: str) -> str:
    """Return a name that can be a folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", spec).strip("-.")[:60] or "agent"
