"""How a Python project checks its work: with its own tools where it names and has them, else with ours."""

from __future__ import annotations

import shutil
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worktrial.languages.protocol import Checks, ReadFile

_TEST = ("python", "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider")


def checks(read: ReadFile, search_path: str) -> Checks:
    """Return the checks of the project whose files `read` gives, with programs found on `search_path`."""
    tools = _tables(read)
    ours = {name: path for name in ("ruff", "ty") if (path := _beside_us(name)) is not None}

    def has(program: str) -> bool:
        return shutil.which(program, path=search_path) is not None

    return Checks(
        test=_TEST,
        diagnostics=_diagnostics(tools, has, ours),
        lint=_lint(read, tools, has, ours),
        format=_format(tools, has, ours),
        build=("python", "-m", "compileall", "-q", "."),
        mounts=tuple(ours.values()),
    )


def _tables(read: ReadFile) -> dict[str, Any]:
    """Return the `[tool.…]` tables of `pyproject.toml`; none when it is missing or broken."""
    try:
        tool = tomllib.loads(read("pyproject.toml") or "").get("tool", {})
    except tomllib.TOMLDecodeError:
        return {}
    return tool if isinstance(tool, dict) else {}


def _lint(read: ReadFile, tools: dict[str, Any], has: Callable[[str], bool], ours: dict[str, Path]) -> tuple[str, ...]:
    if has("flake8") and (read(".flake8") or "[flake8]" in (read("setup.cfg") or "")):
        return ("flake8",)
    ruff = "ruff" if has("ruff") else str(ours.get("ruff", ""))
    if not ruff:
        return ()
    configured = "ruff" in tools or read("ruff.toml") or read(".ruff.toml")
    # Without settings of its own, only what is certainly wrong: a style that nobody asked for helps nobody.
    return (ruff, "check", "--no-cache", *(() if configured else ("--select", "E9,F63,F7,F82")))


def _diagnostics(tools: dict[str, Any], has: Callable[[str], bool], ours: dict[str, Path]) -> tuple[str, ...]:
    if "mypy" in tools and has("mypy"):
        return ("python", "-m", "mypy")
    return (str(ours["ty"]), "check", "--output-format", "concise") if "ty" in ours else ()


def _format(tools: dict[str, Any], has: Callable[[str], bool], ours: dict[str, Path]) -> tuple[str, ...]:
    if "black" in tools and has("black"):
        return ("python", "-m", "black", "-q")
    if has("ruff"):
        return ("ruff", "format", "--no-cache")
    return (str(ours["ruff"]), "format", "--no-cache") if "ruff" in ours else ()


def _beside_us(name: str) -> Path | None:
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    return None if found is None else Path(found)
