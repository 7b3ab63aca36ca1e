"""The tools of an editor: what the model is told of them, and running them inside the sandbox."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from worktrial.agents.basic.messages import Call, Result
from worktrial.agents.basic.tools import Arguments, Toolbox
from worktrial.agents.basic.verify_tools import CheckTools, RunTests
from worktrial.sandboxes import packages
from worktrial.sandboxes.protocol import Mount

_INSIDE = Path(__file__).with_name("inside")
_TOOL_S = 120.0
_SERVERS = {"python": ("ty", "server")}
"""Language servers that come with the extra `ide`."""
_GRAMMARS = ("python", "javascript", "typescript", "go", "rust", "java", "c")


class _Outline(Arguments):
    """Show the classes, functions and variables of a file with their lines."""

    path: str = Field(description="Relative to the repository's folder.")


class _Definition(Arguments):
    """Show where a symbol is defined. With a path and a line that names it, exactly that one is followed."""

    symbol: str = Field(description="A name, with or without the class or module before it.")
    path: str = Field(default="", description="File of a line that names the symbol.")
    line: int = Field(default=0, ge=0, description="That line, from 1.")


class _References(_Definition):
    """Show every line that uses a symbol. With a path and a line that names it, exactly that one is followed."""


class _Diagnostics(Arguments):
    """Show the errors and warnings of a file: syntax, unknown names, types."""

    path: str = Field(description="Relative to the repository's folder.")


class _Format(Arguments):
    """Format a file as the project does, in place."""

    path: str = Field(description="Relative to the repository's folder.")


class _Knowledge(Arguments):
    """Search what the project says of itself: documents, comments, docstrings; the nearest passages come first."""

    query: str


class IdeTools(CheckTools):
    """The tools of `basic` and those of an editor, in one workspace."""

    TOOLS: ClassVar[Mapping[str, type[Arguments]]] = {
        **Toolbox.TOOLS,
        "outline": _Outline,
        "definition": _Definition,
        "references": _References,
        "diagnostics": _Diagnostics,
        "format": _Format,
        "run_tests": RunTests,
        "knowledge": _Knowledge,
    }

    async def do(self, call: Call, arguments: Arguments, left_s: float) -> Result:
        """Run one call whose arguments are checked."""
        if isinstance(arguments, RunTests):
            return await self.check(call, self.checks.test, arguments.targets, min(arguments.timeout_s, left_s))
        if isinstance(arguments, _Format):
            return await self.check(call, self.checks.format, [arguments.path], min(_TOOL_S, left_s))
        if call.name in ("outline", "definition", "references", "diagnostics", "knowledge"):
            servers = _servers()
            grammars = _packages()
            interpreter = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
            asked = {
                "tool": call.name,
                "arguments": arguments.model_dump(),
                "servers": {language: [str(path), *rest] for language, (path, *rest) in servers.items()},
                "path": sorted({str(package.parent) for package in grammars}),
            }
            shown = [_INSIDE, *grammars, *(Path(argv[0]) for argv in servers.values())]
            return await self.script(
                call,
                (str(interpreter), "-I", "-S", "-B", str(_INSIDE)),
                asked,
                timeout_s=min(_TOOL_S, left_s),
                mounts=(*packages.installation(Path(sys.base_prefix)), *map(Mount, shown)),
            )
        return await super().do(call, arguments, left_s)


def _servers() -> dict[str, tuple[str, ...]]:
    """Return the language servers that are installed beside us, by language."""
    found = {}
    for language, (name, *arguments) in _SERVERS.items():
        path = shutil.which(name, path=sysconfig.get_path("scripts"))
        if path is not None:
            found[language] = (path, *arguments)
    return found


def _packages() -> list[Path]:
    """Return the folders of tree-sitter and its grammars that are installed beside us."""
    names = ["tree_sitter", *(f"tree_sitter_{language}" for language in _GRAMMARS)]
    specs = [find_spec(name) for name in names]
    return [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None]
