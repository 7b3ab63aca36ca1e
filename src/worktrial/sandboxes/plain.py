"""A workspace without mounts of its own: a folder of the host, and processes of the host that are more or less free."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.formats.evidence import Ended
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.folder import Folder, Like
from worktrial.sandboxes.namespaces import environment
from worktrial.sandboxes.process import Bounds, Live, run_process, run_trusted, start_process
from worktrial.sandboxes.protocol import Change, Command, Finished, Process, Workspace
from worktrial.sandboxes.usage import descendants, marked

_MIB = 1024 * 1024
_CPU_ENDED = (-signal.SIGXCPU, 128 + signal.SIGXCPU)
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
Opener = Callable[[tuple[Path, ...], TrialLimits, Like], Workspace]
"""Opens a workspace that is like another one over the same layers."""


class PlainWorkspace:
    """A workspace that is a folder of the host, with commands started by a `Launcher`."""

    def __init__(
        self,
        folder: Folder,
        limits: TrialLimits,
        tier: str,
        *,
        launch: Launcher,
        another: Opener,
        last: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = folder.files
        self.tier = tier
        self._folder = folder
        self._limits = limits
        self._launch = launch
        self._another = another
        self._last = last
        """Called at the end, before the folder is removed."""
        self._at_first_bytes = folder.used_bytes()
        self._marker = f"WORKTRIAL_WORKSPACE={uuid.uuid4().hex}"
        self._lasting: list[Live] = []
        self._cleanups: list[Callable[[], None]] = []
        self._frozen: set[int] = set()

    async def run(self, command: Command) -> Finished:
        """Run a command in the folder."""
        await self.resume()
        marker = f"WORKTRIAL_COMMAND={uuid.uuid4().hex}"
        launch = self._prepared(command, marker)
        disk = _Disk(self._folder, self._at_first_bytes + self._limits.disk_mib * _MIB)
        try:
            finished = await run_process(
                launch.argv,
                env=launch.env,
                bounds=self._bounds(command, launch),
                stdin=command.stdin,
                report=command.report,
                cwd=self.root,
                marker=marker,
                ask=disk.full,
                reaper=launch.reaper,
            )
        finally:
            await disk.end()
            launch.cleanup()
        return await asyncio.to_thread(self._told_apart, finished, disk)

    async def start(self, command: Command) -> Process:
        """Start a command that goes on while others run."""
        await self.resume()
        marker = f"WORKTRIAL_COMMAND={uuid.uuid4().hex}"
        launch = self._prepared(command, marker)
        disk = _Disk(self._folder, self._at_first_bytes + self._limits.disk_mib * _MIB)
        try:
            started = await start_process(
                launch.argv,
                env=launch.env,
                bounds=self._bounds(command, launch),
                stdin=command.stdin,
                cwd=self.root,
                marker=marker,
                report=command.report,
                ask=disk.full,
                reaper=launch.reaper,
            )
        except BaseException:
            launch.cleanup()
            raise
        self._lasting.append(started)
        self._cleanups.append(launch.cleanup)
        return _Resuming(started, self)

    def _prepared(self, command: Command, marker: str) -> Launch:
        home, tmp = str(self._folder.path / "home"), str(self._folder.path / "tmp")
        env = environment(home) | {"TMPDIR": tmp} | dict(command.env)
        env |= dict(variable.split("=", 1) for variable in (marker, self._marker))
        return self._launch(self._folder, self._limits, command, env)

    def _bounds(self, command: Command, launch: Launch) -> Bounds:
        limits = self._limits
        processes = limits.processes + launch.reaper  # the one that watches is not the command's
        return Bounds(command.timeout_s, limits.memory_mib, processes, limits.output_mib)

    def _told_apart(self, finished: Finished, disk: _Disk) -> Finished:
        if finished.ended != "completed" or not finished.exit_code:
            return finished
        if finished.exit_code in _CPU_ENDED:
            return replace(finished, ended="cpu_exhausted")
        said = finished.output.lower()
        suspect = finished.exit_code in _FILE_ENDED or any(words in said for words in _FULL)
        return replace(finished, ended="disk_full") if suspect and disk.look() else finished

    async def read(self, path: str) -> bytes:
        """Return a file's content; links are followed to what lies in the workspace, its home or its `$TMPDIR`."""
        await self.resume()
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
        async with self._still():
            try:
                return await asyncio.to_thread(self._forked, snapshot)
            finally:
                await asyncio.to_thread(shutil.rmtree, snapshot, ignore_errors=True)

    def _forked(self, snapshot: Path) -> Workspace:
        self._folder.snapshot(snapshot)
        return self._another(self._folder.layers, self._limits, Like(snapshot, self._folder.path))

    async def standby(self) -> None:
        """Stop all processes. Memory is not handed back."""
        for _ in range(100):
            found = self._processes() - self._frozen
            if not found:
                return
            _signal(found, signal.SIGSTOP)
            self._frozen |= found

    async def resume(self) -> None:
        """Let stopped processes go on."""
        _signal(self._frozen, signal.SIGCONT)
        self._frozen = set()

    @asynccontextmanager
    async def _still(self) -> AsyncIterator[None]:
        """Hold everything, so that nothing is moved about while files are looked at."""
        was_frozen = bool(self._frozen)
        await self.standby()
        try:
            yield
        finally:
            if not was_frozen:
                await self.resume()

    def _processes(self) -> set[int]:
        found = {pid for process in self._lasting if process.running for pid in descendants(process.pid)}
        if found:
            found |= set(marked(self._marker))
        return found

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
        await self.resume()
        await asyncio.gather(*(process.close() for process in self._lasting))
        for cleanup in (*self._cleanups, self._last):
            cleanup()
        self._lasting.clear()
        await asyncio.to_thread(self._folder.remove)


class _Resuming:
    """A process that its workspace wakes before it is spoken to."""

    def __init__(self, process: Live, workspace: PlainWorkspace) -> None:
        self._process = process
        self._workspace = workspace

    async def send(self, data: bytes) -> None:
        await self._workspace.resume()
        await self._process.send(data)

    async def receive(self) -> bytes:
        await self._workspace.resume()
        return await self._process.receive()

    async def wait(self) -> Finished:
        await self._workspace.resume()
        return await self._process.wait()

    async def kill(self) -> None:
        await self._workspace.resume()
        await self._process.kill()


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


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
