"""What every kind of isolation offers: workspaces made from layers, and commands run in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from worktrial.formats.evidence import Ended
from worktrial.formats.run import TrialLimits


@dataclass(frozen=True)
class Mount:
    """A host file or folder shown inside at the same path."""

    path: Path
    writable: bool = False
    without: tuple[Path, ...] = ()
    """Folders below `path` of which nothing can be read inside, but for what other mounts show there."""


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
    """Only for building environments: everything else runs without, and without the system's Python packages too."""
    port: int | None = None
    """TCP port of 127.0.0.1 that the command may connect to where no unix socket can be mounted into the isolation
    (landlock); elsewhere it is out of reach, as all of the network."""
    report: bool = False
    """Give the command a pipe to report on; its file descriptor number is in `$WORKTRIAL_REPORT_FD`.
    What was written to it can be added to but never changed."""
    read_only: tuple[str, ...] = ()
    """Files of the workspace, by path relative to `root`, that the command can neither change nor replace, where the
    isolation can hold that. What is no file, or is behind a link, is passed over."""
    preload: tuple[str, ...] = ()
    """Modules that `argv`, an interpreter and the path of a script, imports first in any case. A backend with a pool
    runs the script in a fork of an interpreter that has them, isolated as ever; all others start it from nothing."""


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


@dataclass(frozen=True)
class Change:
    """A path of a workspace that is not as its layers have it."""

    path: str
    """Relative to the workspace's root; bytes that are no UTF-8 as surrogate escapes."""
    kind: Literal["written", "removed"]


class Process(Protocol):
    """A command that lives on between calls: a language server, a verification server, an agent."""

    async def send(self, data: bytes) -> None:
        """Write to its standard input. Raises `SandboxError` when it has ended or closed it."""
        ...

    async def receive(self) -> bytes:
        """Return the next bytes of its standard output, empty at the end. Standard error is kept for `wait`."""
        ...

    async def wait(self) -> Finished:
        """Return how it ended, with its standard error as `output`; all its descendants are dead by then."""
        ...

    async def kill(self) -> None:
        """Kill it and every descendant. Harmless when it has ended."""
        ...


class Workspace(Protocol):
    """A private, writable copy of layers. What is written in it is seen by nobody else and goes when it is closed."""

    root: Path
    """Where the workspace is for commands run inside; their working folder."""
    tier: str

    async def run(self, command: Command) -> Finished:
        """Run a command inside, isolated. Raises `SandboxError` when it could not be started."""
        ...

    async def start(self, command: Command) -> Process:
        """Start a command that goes on while others run, within the same limits; `close` ends it.

        Raises `SandboxError` when it could not be started.
        """
        ...

    async def read(self, path: str) -> bytes:
        """Return a file's content, links followed as inside: never one of the host.

        `path` is relative to the root or absolute inside. Raises `SandboxError` when there is no such file or it is
        larger than the limit on output.
        """
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Write a file, making its folders; links are followed as inside. Raises `SandboxError`."""
        ...

    async def changes(self) -> tuple[Change, ...]:
        """Return what differs from the layers, sorted by path; folders only where one is empty or was removed."""
        ...

    async def snapshot(self, folder: Path) -> Path:
        """Write what differs from the layers to `folder` (made by this call) as a layer, and return it.

        A workspace opened over `(folder, *layers)` has the same files. Raises `SandboxError`.
        """
        ...

    async def fork(self) -> Workspace:
        """Return a workspace of its own that has the same files as this one now, and none of its processes."""
        ...

    async def standby(self) -> None:
        """Freeze all processes and hand their memory back where the kernel lets us.

        Happens by itself when nothing was asked of a workspace for `TrialLimits.standby_s`; the next call resumes.
        """
        ...

    async def resume(self) -> None:
        """Let frozen processes go on, with files and memory as they were."""
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
    detail: str
    """What it is made of on this machine, for records: the runtime, who enforces the limits, what is weaker."""

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Return a fresh workspace over `layers`, the topmost first; the layers themselves are never written to.

        Raises `SandboxError`.
        """
        ...
