"""The Go of this machine, for tests that ask it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from worktrial.languages.golang import toolchains

needs_go = pytest.mark.skipif(not toolchains.installed(), reason="no usable Go is installed")


def root() -> Path:
    """Return the GOROOT that tests use."""
    return toolchains.installed()[0].root


def run(*args: str, folder: Path, **env: str) -> str:
    """Return what `go ARGS` prints."""
    given = {"PATH": f"{root()}/bin:/usr/bin:/bin", "HOME": str(folder), "GOTOOLCHAIN": "local", "GOFLAGS": "", **env}
    done = subprocess.run(["go", *args], cwd=folder, env=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
