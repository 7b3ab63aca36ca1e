"""What every kind of isolation offers: workspaces made from layers, and commands run in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from worktrial.formats.evidence import Ended
from worktrial.formats.run import TrialLimits


@dataclass(frozen=True)
class Mount:
    """A host file or folder shown inside at the same path."""

    path: Path
    writable: bool = False


@dataclass(frozen=True)
class Command:
    """A program to run inside a workspace."""

    argv: tuple[str, ...]
    timeout_s: float
    """Wall-clock seconds until it and all its descendants are killed."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the sandbox's own small environment (PATH, HOME, LANG, TERM, TMPDIR)."""
    stdin: bytes = b""
    mounts: tuple[Mount, ...] = ()
    network: bool = False
    """Only for building environments: everything else runs without."""
    report: bool = False
    """Give the command a pipe to report on; its file descriptor number is in `$WORKTRIAL_REPORT_FD`.
    What was written to it can be added to but never changed."""


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    ended: Ended
    """*crashed* is for the caller to find: here every exit, whatever its code, is *completed*."""
    exit_code: int | None
    """None when it was killed; negative when it died of a signal of its own, as `subprocess` has it."""
    output: bytes
    """Standard output and error together; the middle is cut out when there was very much."""
    report: bytes
    wall_s: float


class Workspace(Protocol):
    """A private, writable copy of layers. What is written in it is seen by nobody else and goes when it is closed."""

    root: Path
    """Where the workspace is for commands run inside; their working folder."""
    tier: str

    async def run(self, command: Command) -> Finished:
        """Run a command inside, isolated. Raises `SandboxError` when it could not be started."""
        ...

    async def host(self, argv: list[str], *, env: Mapping[str, str], data: bytes = b"") -> bytes:
        """Run a trusted program of ours outside of the isolation, on the workspace's files.

        `{workspace}` in `argv` and in the values of `env` stands for the workspace's path as that program sees it.
        Returns its standard output. Raises `InfrastructureError` when it fails.
        """
        ...

    async def close(self) -> None:
        """Kill what still runs and drop all that was written."""
        ...


class Sandbox(Protocol):
    """A kind of isolation."""

    tier: str
    """Its name, as `--sandbox` takes it and as every record gives it."""

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Return a fresh workspace over `layers`, the topmost first; the layers themselves are never written to.

        Raises `SandboxError`.
        """
        ...
