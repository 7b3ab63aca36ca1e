"""Which agents a run is asked for: tables of `worktrial.toml`, or a kind with a model on the command line."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from worktrial import agents
from worktrial.errors import FormatError, UsageError
from worktrial.formats.base import Record
from worktrial.formats.gateway import GatewayConfig
from worktrial.formats.run import AgentConfig
from worktrial.store.files import explain, read_text


def read_config(path: Path | None) -> dict[str, AgentConfig]:
    """Return the agents of a `worktrial.toml` by name; of the one in the current folder, if any, when none is named.

    Relative mounts and programs are taken from the file's folder. Raises `FormatError`.
    """
    if path is None:
        path = Path("worktrial.toml")
        if not path.exists():
            return {}
    text = read_text(path, "configuration")
    where = ""
    try:
        tables = _Configuration.model_validate(tomllib.loads(text)).agents
        found = {}
        for name, table in tables.items():
            where = f"agents.{name}: "
            found[name] = _configured(name, table, path.absolute().parent)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise FormatError(f"{path} is not a valid configuration", cause=where + explain(error)) from error
    for name, config in found.items():
        if not _NAME.fullmatch(config.name):
            raise FormatError(
                f"{path} is not a valid configuration",
                cause=f"agents.{name}: {config.name!r} cannot be the name of an agent",
                hint="use letters, digits, and . : @ + _ - after the first",
            )
    return found


def read_gateway_config(path: Path | None) -> GatewayConfig:
    """Return the table `[gateway]` of a TOML file; an empty one when none is named and there is none here.

    Raises `FormatError`.
    """
    if path is None:
        path = Path("worktrial.toml")
        if not path.exists():
            return GatewayConfig()
    try:
        return GatewayConfig.model_validate(tomllib.loads(read_text(path, "configuration")).get("gateway", {}))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise FormatError(f"{path} is not a valid configuration", cause=f"gateway: {explain(error)}") from error


class _Configuration(Record):
    """What `worktrial.toml` may hold."""

    agents: dict[str, dict[str, Any]] = Field(default_factory=dict)
    gateway: dict[str, Any] = Field(default_factory=dict)
    """Read by `read_gateway_config`."""


_NAME = re.compile(r"\w[\w.:@+-]{0,79}")
"""Names of agents are names of folders."""


def _configured(name: str, table: dict[str, Any], folder: Path) -> AgentConfig:
    settings = {"name": name, "kind": name, **table}
    if isinstance(mounts := settings.get("mounts"), list):
        settings["mounts"] = [
            str(folder / os.path.expanduser(mount)) if isinstance(mount, str) else mount  # noqa: PTH111 - never raises
            for mount in mounts
        ]
    if isinstance(context := settings.get("context"), str) and context not in ("keep", "none"):
        settings["context"] = str(folder / os.path.expanduser(context))  # noqa: PTH111 - never raises
    command = settings.get("command")
    if isinstance(command, list) and command and str(command[0]).startswith(("./", "../")):
        settings["command"] = [str((folder / command[0]).resolve()), *command[1:]]
    return AgentConfig.model_validate(settings)


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


def _safe(spec: str) -> str:
    """Return a name that can be a folder's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", spec).strip("-.")[:60] or "agent"
