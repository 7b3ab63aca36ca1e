"""The Python interpreters on this machine, and which one fits a project and a date."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import uv
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from worktrial.errors import EnvironmentBuildError

_RELEASED = {
    (3, 8): date(2019, 10, 14),
    (3, 9): date(2020, 10, 5),
    (3, 10): date(2021, 10, 4),
    (3, 11): date(2022, 10, 24),
    (3, 12): date(2023, 10, 2),
    (3, 13): date(2024, 10, 7),
    (3, 14): date(2025, 10, 7),
}
"""First final release of each version (the release PEPs). The harness needs 3.8."""
SYSTEM_CERTIFICATES = {"UV_NATIVE_TLS": "1", "UV_SYSTEM_CERTS": "1"}
"""Make uv trust what the system trusts, an own certificate authority too; the first name is that of older versions."""
_INDEX_SETTINGS = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE"),
    *("UV_INDEX_STRATEGY", "UV_HTTP_TIMEOUT", "UV_NATIVE_TLS", "UV_INSECURE_HOST"),
)
"""What uv needs of the host to reach a package index."""


@dataclass(frozen=True, order=True)
class Interpreter:
    """A CPython on this machine."""

    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> str:
        """`3.12` and the like."""
        return f"{self.version[0]}.{self.version[1]}"


def index_environment() -> dict[str, str]:
    """Return the variables a client needs to reach a package index as it does on the host."""
    return SYSTEM_CERTIFICATES | {name: os.environ[name] for name in _INDEX_SETTINGS if name in os.environ}


def uv_path() -> Path:
    """Return the `uv` program that came with its package."""
    return Path(uv.find_uv_bin())


@functools.cache
def installed() -> tuple[Interpreter, ...]:
    """Return every usable CPython found, one per minor version, oldest first; the running one goes before others."""
    found: dict[tuple[int, int], Interpreter] = {}
    for interpreter in [_running(), *_listed_by_uv(), *_pyenv()]:
        if interpreter.version[:2] in _RELEASED or interpreter.version[:2] > max(_RELEASED):
            found.setdefault(interpreter.version[:2], interpreter)
    return tuple(sorted(found.values()))


def choose(requires_python: str, as_of: date | None) -> Interpreter:
    """Return the interpreter for a project that asks for `requires_python` (PEP 440; empty: any).

    Without a date: the one worktrial runs on when it fits, else the newest that fits. With a date: the newest that
    fits and was out by then, else the oldest that fits. Raises `EnvironmentBuildError` when none fits.
    """
    try:
        wanted = SpecifierSet(requires_python)
    except InvalidSpecifier:
        wanted = SpecifierSet()
    fitting = [found for found in installed() if wanted.contains(".".join(map(str, found.version)))]
    if not fitting:
        raise EnvironmentBuildError(
            f"no installed Python fits requires-python {requires_python!r}",
            cause=f"found: {', '.join(found.minor for found in installed())}",
            hint="install one: uv python install VERSION",
        )
    if as_of is None:
        running = [found for found in fitting if found.version[:2] == sys.version_info[:2]]
        return (running or fitting)[-1]
    out = [found for found in fitting if _RELEASED.get(found.version[:2], date.max) <= as_of]
    return out[-1] if out else fitting[0]


def for_version(minor: str) -> Interpreter:
    """Return the interpreter of version `minor`, e.g. `3.12`. Raises `EnvironmentBuildError` when there is none."""
    for found in installed():
        if found.minor == minor:
            return found
    raise EnvironmentBuildError(f"Python {minor} is not installed", hint=f"install it: uv python install {minor}")


@functools.cache
def base_prefix(interpreter: Path) -> Path:
    """Return the folder an interpreter lives in, which sandboxes have to see."""
    printed = subprocess.run(
        [interpreter, "-I", "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True
    )
    return Path(printed.stdout.strip())


def _running() -> Interpreter:
    path = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    return Interpreter(sys.version_info[:3], path if path.exists() else Path(sys.executable))


def _listed_by_uv() -> list[Interpreter]:
    argv = [str(uv_path()), "python", "list", "--only-installed", "--output-format", "json"]
    # Shims are scripts, and uv runs each to see what it stands for: a second of CPU for what is not taken below.
    folders = [folder for folder in os.get_exec_path() if Path(folder).name != "shims"]
    env = {**os.environ, "PATH": os.pathsep.join(folders)}
    done = subprocess.run(argv, env=env, capture_output=True, check=False, start_new_session=True)
    if done.returncode:
        return []
    return [
        Interpreter((parts["major"], parts["minor"], parts["patch"]), Path(entry["path"]))
        for entry in json.loads(done.stdout)
        if entry["implementation"] == "cpython" and entry["variant"] == "default" and "shims" not in entry["path"]
        for parts in [entry["version_parts"]]
    ]


def _pyenv() -> list[Interpreter]:
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    found = []
    for path in root.glob("versions/*/bin/python"):
        parts = path.parent.parent.name.split(".")
        if len(parts) == 3 and all(part.isdigit() for part in parts):
            found.append(Interpreter((int(parts[0]), int(parts[1]), int(parts[2])), path))
    return sorted(found, reverse=True)
