"""A workspace without mounts of its own: a folder of the host, and processes of the host that are more or less free."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.formats.evidence import Ended
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes import pageout
from worktrial.sandboxes.folder import Folder, Like
from worktrial.sandboxes.namespaces_orders import environment
from worktrial.sandboxes.process import Bounds, Live
from worktrial.sandboxes.protocol import Change, Command, Finished, Process, Workspace
from worktrial.sandboxes.spawned import Spawn, run_trusted
from worktrial.sandboxes.standby import Awake, SignalSleeper, Standby
from worktrial.sandboxes.usage import descendants, marked

_MIB = 1024 * 1024
_FILE_ENDED = (-signal.SIGXFSZ, 128 + signal.SIGXFSZ)
_FULL = (b"no space left on device", b"file too large")
_LOOK_S = 1.0
"""Seconds between two looks at the disk, at least; a look takes at most a twentieth of the time."""


@dataclass(frozen=True)
class Launch:
    """How to start a command."""

    argv: list[str]
    env: dict[str, str]
    reaper: bool
    """Whether what is started watches over the command and kills all that is left of it."""
    cleanup: Callable[[], None] = lambda: None
    """Called when the command has ended."""


Launcher = Callable[[Folder, TrialLimits, Command, dict[str, str]], Launch]
"""Of a folder, limits, a command and its environment."""
Maker = Callable[[tuple[Path, ...], Like | None], tuple[Folder, Callable[[], None]]]
"""Copies layers; returns the folder, and what is to be called before it is removed."""


@dataclass(frozen=True)
class Kind:
    """What tells one tier of plain workspaces from another."""

    tier: str
    make: Maker
    launch: Launcher
    standby: Standby
    means: pageout.Means | None
    """How memory is handed back in standby; None: it stays."""


async def open_plain(
    kind: Kind, layers: tuple[Path, ...], limits: TrialLimits, like: Like | None = None
) -> PlainWorkspace:
    """Return a fresh workspace over `layers`. Raises `SandboxError` and `StorageError`."""
    folder, last = await asyncio.to_thread(kind.make, layers, like)
    return PlainWorkspace(kind, folder, limits, last)


class PlainWorkspace:
    """A workspace that is a folder of the host, with commands started by a `Launcher`."""

    def __init__(self, kind: Kind, folder: Folder, limits: TrialLimits, last: Callable[[], None]) -> None:
        self.root = folder.files
        self.tier = kind.tier
        self._kind = kind
        self._folder = folder
        self._limits = limits
        self._last = last
        """Called at the end, before the folder is removed."""
        self._at_first_bytes = folder.used_bytes()
        self._marker = f"WORKTRIAL_WORKSPACE={uuid.uuid4().hex}"
        self._lasting: list[Live] = []
        self._cleanups: list[Callable[[], None]] = []
        self._runs = 0
        """Commands of `run` that are under way."""
        self._sleeper = SignalSleeper(self._processes, kind.means)
        self._watch = kind.standby.watch(self._sleeper, limits.standby_s)

    async def run(self, command: Command) -> Finished:
        """Run a command in the folder."""
        async with self._watch.call():
            self._runs += 1
            try:
                return await self._run(command)
            finally:
                self._runs -= 1

    async def _run(self, command: Command) -> Finished:
        launch, disk, spawn = self._prepared(command)
        try:
            finished = await spawn.run()
        finally:
            await disk.end()
            launch.cleanup()
        return await asyncio.to_thread(self._told_apart, finished, disk)

    async def start(self, command: Command) -> Process:
        """Start a command that goes on while others run."""
        async with self._watch.call():
            return await self._start(command)

    async def _start(self, command: Command) -> Process:
        launch, _, spawn = self._prepared(command)
        try:
            started = await spawn.start()
        except BaseException:
            launch.cleanup()
            raise
        self._lasting.append(started)
        self._cleanups.append(launch.cleanup)
        return Awake(started, self._watch)

    def _prepared(self, command: Command) -> tuple[Launch, _Disk, Spawn]:
        marker = f"WORKTRIAL_COMMAND={uuid.uuid4().hex}"
        home, tmp = str(self._folder.path / "home"), str(self._folder.path / "tmp")
        env = environment(home) | {"TMPDIR": tmp} | dict(command.env)
        env |= dict(variable.split("=", 1) for variable in (marker, self._marker))
        launch = self._kind.launch(self._folder, self._limits, command, env)
        disk = _Disk(self._folder, self._at_first_bytes + self._limits.disk_mib * _MIB)
        spawn = Spawn(
            launch.argv,
            env=launch.env,
            bounds=self._bounds(command, launch),
            cwd=self.root,
            stdin=command.stdin,
            report=command.report,
            marker=marker,
            ask=disk.full,
            reaper=launch.reaper,
        )
        return launch, disk, spawn

    def _bounds(self, command: Command, launch: Launch) -> Bounds:
        limits = self._limits
        processes = limits.processes + launch.reaper  # the one that watches is not the command's
        return Bounds(command.timeout_s, limits.memory_mib, processes, limits.output_mib, limits.cpu_s)

    def _told_apart(self, finished: Finished, disk: _Disk) -> Finished:
        if finished.ended != "completed" or not finished.exit_code:
            return finished
        said = finished.output.lower()
        suspect = finished.exit_code in _FILE_ENDED or any(words in said for words in _FULL)
        return replace(finished, ended="disk_full") if suspect and disk.look() else finished

    async def read(self, path: str) -> bytes:
        """Return a file's content; links are followed to what lies in the workspace, its home or its `$TMPDIR`."""
        await self.resume()
        self._watch.touch()
        most = self._limits.output_mib * _MIB
        with os.fdopen(self._folder.open(path), "rb") as file:
            data = await asyncio.to_thread(file.read, most + 1)
        if len(data) > most:
            raise SandboxError(f"could not read {path} of a workspace", cause=f"it is larger than {most} bytes")
        return data

    async def write(self, path: str, data: bytes) -> None:
        """Write a file by a command of the workspace's own, so that links lead where they lead for those."""
        script = 'case $1 in */*) mkdir -p -- "${1%/*}/" || exit;; esac; cat > "$1"'
        done = await self.run(Command(("/bin/sh", "-c", script, "write", f"{self.root / path}"), 600, stdin=data))
        if done.ended != "completed" or done.exit_code:
            cause = done.output.decode("utf-8", "replace").strip() or done.ended
            raise SandboxError(f"could not write {path} in a workspace", cause=cause)

    async def changes(self) -> tuple[Change, ...]:
        """Return what differs from the layers."""
        async with self._still():
            return await asyncio.to_thread(self._folder.changes)

    async def snapshot(self, folder: Path) -> Path:
        """Write what differs from the layers to `folder`; what is no file, link or folder is left out."""
        async with self._still():
            return await asyncio.to_thread(self._folder.snapshot, folder)

    async def fork(self) -> Workspace:
        """Return a workspace with the same files, home and temporary files."""
        snapshot = self._folder.path / uuid.uuid4().hex
        try:
            async with self._still():
                await asyncio.to_thread(self._folder.snapshot, snapshot)
                like = Like(snapshot, self._folder.path)
                return await open_plain(self._kind, self._folder.layers, self._limits, like)
        finally:
            await asyncio.to_thread(shutil.rmtree, snapshot, ignore_errors=True)

    async def standby(self) -> None:
        """Stop all processes and hand their memory back where that is allowed."""
        await self._watch.standby()

    async def resume(self) -> None:
        """Let stopped processes go on."""
        await self._watch.resume()

    @asynccontextmanager
    async def _still(self) -> AsyncIterator[None]:
        """Hold everything, so that nothing is moved about while files are looked at."""
        async with self._watch.call():
            await self._sleeper.freeze()
            try:
                yield
            finally:
                await self._sleeper.thaw()

    def _processes(self) -> list[int]:
        roots = [process.pid for process in self._lasting if process.running]
        if roots or self._runs:
            roots += marked(self._marker)
        return list({pid for root in roots for pid in descendants(root)})

    async def host(self, argv: list[str], *, env: Mapping[str, str], data: bytes = b"") -> bytes:
        """Run a trusted program on the folder."""
        here = str(self.root)
        async with self._still():
            return await run_trusted(
                [part.replace("{workspace}", here) for part in argv],
                env={key: value.replace("{workspace}", here) for key, value in env.items()},
                data=data,
                name=argv[0],
            )

    async def close(self) -> None:
        """Kill what runs and remove the folder, read-only parts of it too."""
        await self._watch.close()
        await self._sleeper.thaw()
        await asyncio.gather(*(process.close() for process in self._lasting))
        for cleanup in (*self._cleanups, self._last):
            cleanup()
        self._lasting.clear()
        await asyncio.to_thread(self._folder.remove)


class _Disk:
    """Looks now and then, in a thread, whether more was written than may be."""

    def __init__(self, folder: Folder, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._looking: asyncio.Future[bool] | None = None
        self._next = time.monotonic() + _LOOK_S

    def look(self) -> bool:
        return self._folder.used_bytes() >= self._most_bytes

    def full(self) -> Ended | None:
        """Return the reason to end a command, when there is one by now."""
        if self._looking is not None and self._looking.done():
            full, self._looking = self._looking.result(), None
            if full:
                return "disk_full"
        if self._looking is None and time.monotonic() >= self._next:
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._timed_look))
        return None

    def _timed_look(self) -> bool:
        begun = time.monotonic()
        full = self.look()
        self._next = time.monotonic() + max(_LOOK_S, 20 * (time.monotonic() - begun))
        return full

    async def end(self) -> None:
        """Wait for a look that is under way."""
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
