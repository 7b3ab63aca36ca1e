"""The Go toolchains on this machine, and which one fits a project."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import EnvironmentBuildError

OLDEST = (1, 24, 0)
"""The first that takes a program for its build cache (GOCACHEPROG). Newer ones compile older code as it was meant."""
_VERSION = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?(?:rc\d+|beta\d+)?$")
_PLACES = ("/usr/local/go", "/usr/lib/go", "/usr/lib/go-1.*", "/usr/lib/golang", "/opt/homebrew/opt/go/libexec")
_SETTINGS = ("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOVCS")
_NETWORK = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
)

Version = tuple[int, int, int]


@dataclass(frozen=True, order=True)
class Toolchain:
    """A Go toolchain: its version and where it lies (GOROOT)."""

    version: Version
    root: Path

    @property
    def name(self) -> str:
        """`1.26.8` and the like."""
        return ".".join(map(str, self.version))


def parse_version(text: str) -> Version | None:
    """Return the release that `go1.25.6`, `1.25` or `go1.26rc1` names, patch 0 where there is none; None: not one."""
    match = _VERSION.match(text if text.startswith("go") else f"go{text}")
    return None if match is None else (int(match[1]), int(match[2]), int(match[3] or 0))


def version_of(root: Path) -> Version | None:
    """Return the version of the toolchain at `root`; None when there is none."""
    try:
        first = (root / "VERSION").read_text("utf-8", "replace").split("\n", 1)[0].strip()
    except OSError:
        return None
    return parse_version(first) if (root / "bin/go").is_file() else None


@functools.cache
def installed() -> tuple[Toolchain, ...]:
    """Return the usable toolchains found: the one on the PATH first, then the newest of each place."""
    found: dict[Version, Toolchain] = {}
    for root in [*_on_path(), *_elsewhere()]:
        version = version_of(root)
        if version is not None and version >= OLDEST:
            found.setdefault(version, Toolchain(version, root))
    return tuple(found.values())


def _on_path() -> list[Path]:
    program = shutil.which("go")
    if program is None:
        return []
    said = _go_env(program, "GOROOT")
    return [Path(said["GOROOT"])] if said else []


def _go_env(program: str, *names: str) -> dict[str, str]:
    """Return what `go env` says of settings, where none of a repository are in reach; only those that are set."""
    local = os.environ | {"GOTOOLCHAIN": "local", "GO111MODULE": "on"}
    asked = [program, "env", *names]
    done = subprocess.run(
        asked, capture_output=True, text=True, check=False, cwd="/", env=local, start_new_session=True
    )
    if done.returncode != 0:
        return {}
    return {name: value for name, value in zip(names, done.stdout.split("\n"), strict=False) if value}


def _elsewhere() -> list[Path]:
    roots = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    roots += Path("~/sdk").expanduser().glob("go1.*")
    known = [(version, root) for root in roots if (version := version_of(root)) is not None]
    return [root for _, root in sorted(known, reverse=True)]


def choose(wanted: Version) -> Version:
    """Return the version to build with, for modules that ask for `wanted` or newer.

    An installed one where one fits, the one on the PATH before others; else `wanted` itself, which the module proxy
    has. Raises `EnvironmentBuildError` when no Go is installed at all: fetching one takes one.
    """
    if not installed():
        raise EnvironmentBuildError(
            "no usable Go is installed",
            cause=f"looked for {'.'.join(map(str, OLDEST[:2]))} or newer on the PATH and in {', '.join(_PLACES)}",
            hint="install Go from go.dev/dl, or with the system's packages",
        )
    return next((found.version for found in installed() if found.version >= wanted), wanted)


def for_version(name: str) -> Toolchain | None:
    """Return the installed toolchain of version `name`, e.g. `1.26.8`; None when there is none."""
    return next((found for found in installed() if found.name == name), None)


def installed_root(environment: Path) -> Path:
    """Return the GOROOT that an environment was built with."""
    return Path((environment / "goroot").read_text("utf-8"))


def network_environment() -> dict[str, str]:
    """Return the variables with which `go` reaches modules as it does on the host, by its own settings there."""
    found = {name: os.environ[name] for name in _NETWORK if name in os.environ}
    if not installed():
        return found
    return found | _go_env(str(installed()[0].root / "bin/go"), *_SETTINGS)
