"""One control group: limits that the kernel keeps, and a handle on all its processes at once.

The kernel charges files in a tmpfs to the memory of whoever wrote them, and workspaces are such files. So a group may
take `memory_mib + disk_mib` before the kernel ends a process in it; `Usage.memory_bytes` leaves files out, and whoever
watches a command holds that against `memory_mib`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from worktrial.errors import SandboxError
from worktrial.sandboxes.hierarchies import Place

_MIB = 1024 * 1024
_PATIENCE_S = 5.0
"""How long processes may take to freeze or die: one that writes to a slow disk can do neither until it is done."""
_FREEZE_LOOKS = 50
_LATER_S = 0.01
_RECLAIM_STEP = 32 * _MIB


@dataclass(frozen=True)
class Limits:
    """What all processes of a group may use together."""

    memory_mib: int
    """Without files."""
    disk_mib: int
    """Files in memory (tmpfs), which count beside `memory_mib`."""
    processes: int
    """Threads count each, and so does what keeps a sandbox."""


@dataclass(frozen=True)
class Usage:
    """What a group uses and has used. None: this machine's groups do not tell."""

    memory_bytes: int | None
    """Memory in use now, files left out; swapped out memory is in."""
    files_bytes: int | None
    """Files in memory and shared memory."""
    cpu_s: float | None
    processes: int | None
    """With their threads."""
    oom_kills: int | None
    """Processes that the kernel killed because the group was at its limit of memory."""
    refused_forks: int | None
    """Attempts to start a process or thread at the limit of them."""


class Group:
    """A set of processes with all they start, in one folder per hierarchy."""

    def __init__(self, folders: list[tuple[Place, str]], owner: object) -> None:
        """`owner` would take its groups along when nothing refers to it any more; so a group does."""
        self._owner = owner
        self.folders = tuple(path for _, path in folders)
        """One per hierarchy, as absolute paths."""
        self._of = {job: (path, place.version) for place, path in folders for job in place.jobs}
        self.limits_all = {"memory", "pids"} <= self._of.keys()
        """Whether it limits memory and processes both."""
        self.dies_frozen = self._of.get("freezer", ("", 1))[1] == 2
        """Whether it can be frozen and what is frozen can be killed: version 1 has it thaw first."""
        self.frozen = False
        self.unused = True
        """Whether nothing has run in it, for all that is known; to be cleared by who starts something."""
        self.leaving: set[int] = set()
        """Members, as ids of the host, that do nothing any more and are about to end: they are not waited for."""

    def limit(self, limits: Limits) -> None:
        """Set the limits anew: a group made ahead gets those of the workspace it is used for. Raises `OSError`."""
        path, version = self._of.get("memory", ("", 0))
        most = str((limits.memory_mib + limits.disk_mib) * _MIB)
        if version == 1:
            with contextlib.suppress(FileNotFoundError):  # there without swap accounting
                _write(f"{path}/memory.memsw.limit_in_bytes", "-1")  # never below the other, which may rise
            _write(f"{path}/memory.limit_in_bytes", most)
            with contextlib.suppress(FileNotFoundError):
                _write(f"{path}/memory.memsw.limit_in_bytes", most)
        elif version == 2:
            _write(f"{path}/memory.max", most)
            self._allow_swap("0")
        if "pids" in self._of:
            _write(f"{self._of['pids'][0]}/pids.max", str(limits.processes))

    def add(self, pid: int) -> None:
        """Put a process and its threads into the group; what it starts from now on is in it too.

        Raises `SandboxError`, when it is gone for one.
        """
        try:
            for path in self.folders:
                _write(f"{path}/cgroup.procs", str(pid))
        except OSError as error:
            cause = f"process {pid} is gone" if error.errno == errno.ESRCH else str(error)
            raise SandboxError("could not put a process into its control group", cause=cause) from error

    def pids(self) -> list[int]:
        """Return the processes in the group; empty when it was closed."""
        with contextlib.suppress(OSError):
            return [int(pid) for pid in _read(f"{self.folders[0]}/cgroup.procs").split()]
        return []

    def usage(self) -> Usage:
        """Return what the group uses now. Raises `OSError` when it was closed."""
        memory = files = processes = kills = refused = None
        path, version = self._of.get("memory", ("", 0))
        if version:
            stat = _numbers(f"{path}/memory.stat")
            if version == 1:
                memory, files = stat["total_rss"] + stat.get("total_swap", 0), stat["total_shmem"]
            else:
                memory, files = stat["anon"], stat["shmem"]
                with contextlib.suppress(FileNotFoundError):
                    memory += int(_read(f"{path}/memory.swap.current"))
            kills = self._oom_kills()
        if "pids" in self._of:
            processes, refused = int(_read(f"{self._of['pids'][0]}/pids.current")), self._refused_forks()
        return Usage(memory, files, self._cpu_s(), processes, kills, refused)

    def events(self) -> tuple[int, int]:
        """Return `oom_kills` and `refused_forks` alone, which takes much less time. 0 for what groups do not tell."""
        kills = self._oom_kills() if "memory" in self._of else 0
        return kills, self._refused_forks() if "pids" in self._of else 0

    def _oom_kills(self) -> int:
        path, version = self._of["memory"]
        if version == 1:
            return _numbers(f"{path}/memory.oom_control").get("oom_kill", 0)  # since Linux 4.13
        return _numbers(f"{path}/memory.events")["oom_kill"]

    def _refused_forks(self) -> int:
        return _numbers(f"{self._of['pids'][0]}/pids.events")["max"]

    def cpu_s(self) -> float | None:
        """Return the processor seconds used so far. None: not told here, or the group was closed."""
        with contextlib.suppress(OSError):
            return self._cpu_s()
        return None

    def _cpu_s(self) -> float | None:
        path, version = self._of.get("cpu", ("", 0))
        if version == 1:
            return int(_read(f"{path}/cpuacct.usage")) / 1e9
        return _numbers(f"{path}/cpu.stat")["usage_usec"] / 1e6 if version else None

    async def freeze(self) -> None:
        """Stop all members where they are, and return when they stand still.

        Raises `SandboxError`, all going on as before, when one cannot be stopped in time.
        """
        if "freezer" not in self._of:
            raise SandboxError("control groups cannot freeze here")
        self._ask_to_freeze(True)
        self.frozen = True
        try:
            await self._until_still()
            self._allow_swap("max")
        except BaseException:
            self.thaw()
            raise

    def thaw(self) -> None:
        """Let all members go on. Harmless when they do, or when the group was closed."""
        if self.frozen:
            self.frozen = False
            with contextlib.suppress(OSError):
                self._ask_to_freeze(False)
                self._allow_swap("0")

    def reclaim(self, wanted: Callable[[], bool]) -> None:
        """Have the kernel take back what memory of the group it can, until `wanted` says that it is to go on.

        Blocks until all is written to swap, so call it in a thread. Version 1 takes all in one go.
        """
        path, version = self._of.get("memory", ("", 0))
        with contextlib.suppress(OSError):  # EAGAIN: no more to be had; ENOENT: before Linux 5.19
            if version == 1:
                _write(f"{path}/memory.force_empty", "0")
            while version == 2 and not wanted():
                _write(f"{path}/memory.reclaim", str(_RECLAIM_STEP))

    async def kill(self) -> None:
        """Kill all members, whatever they start meanwhile, frozen ones too, and return when they are gone.

        Those that are `leaving` are left to it, as long as there are no others.
        Raises `SandboxError` when one is still there after some seconds.
        """
        deadline = time.monotonic() + _PATIENCE_S
        pauses = _pauses()
        while not self.leaving.issuperset(self.pids()):
            if time.monotonic() > deadline:
                raise SandboxError("could not kill all processes of a sandbox")
            _kill(self._of.get("freezer", (self.folders[0], 0))[0])
            await asyncio.sleep(next(pauses))

    async def close(self) -> None:
        """Kill what is left and remove the group. Harmless when that was done. Raises `SandboxError`."""
        deadline = time.monotonic() + _PATIENCE_S
        pauses = _pauses()
        while not all(_removed(path) for path in self.folders):
            if time.monotonic() > deadline:
                raise SandboxError("could not remove a control group", cause=self.folders[0])
            await self.kill()
            await asyncio.sleep(next(pauses))

    def remove_later(self) -> None:
        """Remove the group, whose members are gone or about to go, when nobody waits for that.

        One that has not gone by then is killed. Should one stay for long, it is left to the owner, who removes all
        there is.
        """
        with contextlib.suppress(RuntimeError):  # no event loop runs any more
            asyncio.get_running_loop().call_later(_LATER_S, self._try_to_remove, time.monotonic() + _PATIENCE_S)
            return
        self._try_to_remove(0.0)

    def _try_to_remove(self, until: float) -> None:
        removed = [_removed(path) for path in self.folders]  # each is tried
        if not all(removed) and time.monotonic() < until:
            if not self.leaving:
                _kill(self._of.get("freezer", (self.folders[0], 0))[0])
            self.leaving.clear()
            asyncio.get_running_loop().call_later(_LATER_S, self._try_to_remove, until)

    def _ask_to_freeze(self, stop: bool) -> None:
        path, version = self._of["freezer"]
        if version == 1:
            _write(f"{path}/freezer.state", "FROZEN" if stop else "THAWED")
        else:
            _write(f"{path}/cgroup.freeze", "1" if stop else "0")

    async def _until_still(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        pauses = _pauses()
        while not self._stands_still():
            if time.monotonic() > deadline:
                raise SandboxError("could not freeze a sandbox", cause=f"still running after {_PATIENCE_S:.0f} s")
            await asyncio.sleep(next(pauses))

    def _stands_still(self) -> bool:
        path, version = self._of["freezer"]
        if version == 1:
            return _read(f"{path}/freezer.state").strip() == "FROZEN"
        return _numbers(f"{path}/cgroup.events")["frozen"] == 1

    def _allow_swap(self, most: str) -> None:
        """Let only what is frozen go to swap: a command beyond its limit should end, not crawl.

        Version 1 needs no such thing: there one limit holds for both together.
        """
        path, version = self._of.get("memory", ("", 0))
        if version == 2:
            with contextlib.suppress(FileNotFoundError):
                _write(f"{path}/memory.swap.max", most)


def remove_trees(folders: Iterable[str]) -> bool:
    """Kill all processes in the groups at and below `folders` and remove these; say whether all are gone.

    Blocks, for some seconds at worst.
    """
    inner = [parent for folder in folders for parent, _, _ in os.walk(folder, topdown=False)]
    deadline = time.monotonic() + _PATIENCE_S
    pauses = _pauses()
    while inner := [path for path in inner if not _removed(path)]:
        if time.monotonic() > deadline:
            return False
        for path in inner:
            _kill(path)
        time.sleep(next(pauses))
    return True


def _kill(folder: str) -> None:
    """Send SIGKILL to all members of one group, once; those of version 1 stand still meanwhile, so that none forks."""
    with contextlib.suppress(OSError):
        _write(f"{folder}/cgroup.kill", "1")
        return
    with contextlib.suppress(OSError):
        _write(f"{folder}/freezer.state", "FROZEN")
        for _ in range(_FREEZE_LOOKS):
            if _read(f"{folder}/freezer.state").strip() == "FROZEN":
                break
            time.sleep(0.0002)
    with contextlib.suppress(OSError):
        for pid in _read(f"{folder}/cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(OSError):
        _write(f"{folder}/freezer.state", "THAWED")


def _removed(folder: str) -> bool:
    try:
        os.rmdir(folder)  # noqa: PTH106 - on the way of every sandbox
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _pauses() -> Iterator[float]:
    """Yield how many seconds to wait before each next look: little at first."""
    pause = 0.0003
    while True:
        yield pause
        pause = min(pause * 1.5, 0.05)


def _read(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # looked at many times a second: no file object
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts).decode("ascii")
    finally:
        os.close(descriptor)


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode("ascii"))
    finally:
        os.close(descriptor)


def _numbers(path: str) -> dict[str, int]:
    """Return a file of lines `name number`."""
    fields = _read(path).split()
    return dict(zip(fields[::2], map(_number, fields[1::2]), strict=False))


def _number(field: str) -> int:
    return int(field) if field.isdigit() else -1
