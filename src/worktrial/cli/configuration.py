"""Reading `worktrial.toml`."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worktrial.errors import FormatError
from worktrial.formats.config import Configuration
from worktrial.formats.run import AgentConfig
from worktrial.store.files import explain, read_text

NAME = "worktrial.toml"
_AGENT = re.compile(r"\w[\w.:@+-]{0,79}")
"""Names of agents are names of folders."""
_SLIP = "extra_forbidden"
"""What pydantic calls a field that there is none of. It is told before one that is missing: that is often the same."""


def read_configuration(path: Path | None) -> Configuration:
    """Return what a `worktrial.toml` says; of the one in the current folder, if any, when none is named.

    Relative paths in it are taken from its folder. Raises `FormatError`.
    """
    if path is None:
        path = Path(NAME)
        if not path.exists():
            return Configuration()
    try:
        data = tomllib.loads(read_text(path, "configuration"))
        for name, table in _tables(data.get("agents")).items():
            _complete(name, table, path.absolute().parent)
        found = Configuration.model_validate(data)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise _refusal(path, error) from error
    for name, config in found.agents.items():
        if not _AGENT.fullmatch(config.name):
            raise FormatError(
                f"{path} is not a valid configuration",
                cause=f"agents.{name}: {config.name!r} cannot be the name of an agent",
                hint="use letters, digits, and . : @ + _ - after the first",
            )
    return found


def configured_agents(configuration: Configuration) -> dict[str, AgentConfig]:
    """Return the agents of a configuration by the name of their table."""
    return {name: AgentConfig.model_validate(table.model_dump()) for name, table in configuration.agents.items()}


def _refusal(path: Path, error: tomllib.TOMLDecodeError | ValidationError) -> FormatError:
    """Return the error to raise; of a setting that there is none of, it names those that there are."""
    message = f"{path} is not a valid configuration"
    if not isinstance(error, ValidationError):
        return FormatError(message, cause=explain(error))
    slips = [one["loc"] for one in error.errors(include_url=False, include_input=False) if one["type"] == _SLIP]
    if not slips:
        return FormatError(message, cause=explain(error))
    *table, slip = map(str, slips[0])
    there = _settings(table)
    near = difflib.get_close_matches(slip, there, n=1)
    return FormatError(
        message,
        cause=f"{'.'.join((*table, slip))}: there is no such setting",
        hint=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(there)}",
    )


def _settings(table: Sequence[str]) -> list[str]:
    """Return what may be set in a table, told from the schema of the file."""
    schema = Configuration.model_json_schema()
    found: dict[str, Any] = schema
    for part in table:
        inner = found.get("properties", {}).get(part) or found.get("additionalProperties") or {}
        while "$ref" in inner or "anyOf" in inner:
            inner = schema["$defs"][inner["$ref"].rsplit("/", 1)[1]] if "$ref" in inner else inner["anyOf"][0]
        found = inner
    return list(found.get("properties", {}))


def _tables(found: Any) -> dict[str, dict[str, Any]]:
    """Return the tables that are ones; what is not is left for the model to complain of."""
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def _complete(name: str, table: dict[str, Any], folder: Path) -> None:
    """Fill in an agent's name and kind, and make its paths absolute."""
    table.setdefault("name", name)
    table.setdefault("kind", name)
    if isinstance(mounts := table.get("mounts"), list):
        table["mounts"] = [_from(folder, mount) if isinstance(mount, str) else mount for mount in mounts]
    if isinstance(context := table.get("context"), str) and context not in ("keep", "none"):
        table["context"] = _from(folder, context)
    command = table.get("command")
    if isinstance(command, list) and command and str(command[0]).startswith(("./", "../")):
        table["command"] = [str((folder / command[0]).resolve()), *command[1:]]


def _from(folder: Path, path: str) -> str:
    return str(folder / os.path.expanduser(path))  # noqa: PTH111 - never raises
