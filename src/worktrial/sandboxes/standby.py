"""Standby: workspaces in which nothing happens are frozen and their memory is handed back, until the next call.

Idle is a workspace with no call in flight, no bytes to or from a started process, and no process at work, for
`TrialLimits.standby_s`. One timer serves all workspaces of a backend, whatever their number: it wakes for the earliest
that may be due, and one that was used meanwhile is put back.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import os
import signal
import time
from collections.abc import Callable
from typing import Protocol

from worktrial.errors import SandboxError
from worktrial.sandboxes import pageout
from worktrial.sandboxes.groups import Group
from worktrial.sandboxes.protocol import Finished, Process

_AT_WORK = 0.05
"""Processors in use on average from which on processes are at work: silent, but not to be stopped."""
_LOOK_S = 1.0
"""Over at least this many seconds (half of `standby_s`, where that is less)."""
_PATIENCE_S = 5.0
_VFORK_S = 0.25
_STANDING = (b"T", b"t", b"Z", b"X")
"""States of threads that are stopped, traced or dead."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Sleeper(Protocol):
    """The processes of one workspace, as standby sees them."""

    async def freeze(self) -> None:
        """Stop all processes. Raises `SandboxError`, with all going on, when that cannot be done."""
        ...

    async def thaw(self) -> None:
        """Let them go on. Harmless when they do, or are gone."""
        ...

    def hand_back(self, wanted: Callable[[], bool]) -> None:
        """Hand back the memory of frozen processes until `wanted` says yes. Blocks: it is called in a thread."""
        ...

    def cpu_s(self) -> float | None:
        """Return the processor seconds they have used. None: unknown, and taken for none."""
        ...


class GroupSleeper:
    """The processes of a control group."""

    def __init__(self, group: Group, means: pageout.Means | None) -> None:
        self._group = group
        self._means = means

    async def freeze(self) -> None:
        """Stop all that is in the group."""
        await self._group.freeze()

    async def thaw(self) -> None:
        """Let it go on."""
        self._group.thaw()

    def hand_back(self, wanted: Callable[[], bool]) -> None:
        """Page out by process, or all of the group where only that is allowed."""
        if self._means == "madvise":
            pageout.hand_back(self._group.pids(), wanted)
        elif self._means == "group" and pageout.swap_has_room():
            self._group.reclaim(wanted)

    def cpu_s(self) -> float | None:
        """Return what the group has used."""
        return self._group.cpu_s()


class SignalSleeper:
    """Processes stopped one by one with SIGSTOP, where groups cannot freeze: they can see that it happened."""

    def __init__(self, pids: Callable[[], list[int]], means: pageout.Means | None) -> None:
        """`pids` returns all processes of the sandbox that are there now, as ids of the host."""
        self._pids = pids
        self._means = means
        self._stopped: set[int] = set()

    async def freeze(self) -> None:
        """Stop all, and what they started while that was done."""
        began = time.monotonic()
        while (waited_s := time.monotonic() - began) < _PATIENCE_S:
            # What has the signal may still start others until it stands still, so the list comes after that. One that
            # waits in the kernel for a child it has made by vfork, which we have stopped, does so until we let go.
            standing = (*_STANDING, b"D") if waited_s > _VFORK_S else _STANDING
            if all(_stands_still(pid, standing) for pid in self._stopped):
                new = set(self._pids()) - self._stopped
                if not new:
                    return
                self._signal(new, signal.SIGSTOP)
                self._stopped |= new
            await asyncio.sleep(0.001)
        await self.thaw()
        raise SandboxError("could not stop a sandbox", cause=f"still running after {_PATIENCE_S:.0f} s")

    async def thaw(self) -> None:
        """Let all go on that were stopped."""
        stopped, self._stopped = self._stopped, set()
        self._signal(stopped & set(self._pids()), signal.SIGCONT)  # an id may be another's by now

    def hand_back(self, wanted: Callable[[], bool]) -> None:
        """Page out process by process."""
        if self._means == "madvise":
            pageout.hand_back(tuple(self._stopped), wanted)

    def cpu_s(self) -> float | None:
        """Return what those processes have used that are there now."""
        return sum(map(_cpu_s, self._pids()))

    @staticmethod
    def _signal(pids: set[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


class Standby:
    """The timer of a backend. Belongs to the event loop it was first used in, and starts anew in another."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Watch]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._disk = asyncio.Semaphore(1)

    def watch(self, sleeper: Sleeper, after_s: float) -> Watch:
        """Look after a workspace from now on; `after_s` of 0: only when asked. Call it in the event loop."""
        watch = Watch(self, sleeper, after_s)
        watch.touch()
        return watch

    def wake_at(self, deadline: float, watch: Watch) -> None:
        """Call `watch.due` at the loop's time `deadline`."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer, self._disk = loop, None, asyncio.Semaphore(1)
            self._due.clear()
        self._count += 1
        heapq.heappush(self._due, (deadline, self._count, watch))
        if self._due[0][2] is watch:
            self._set_timer(loop)

    def run(self, watch: Watch) -> None:
        """Put `watch` into standby in a task of its own."""
        task = asyncio.get_running_loop().create_task(watch.doze())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def hand_back(self, sleeper: Sleeper, wanted: Callable[[], bool]) -> None:
        """Hand memory back in a thread, one workspace after the other: they would share one disk."""
        async with self._disk:
            if not wanted():
                await asyncio.to_thread(sleeper.hand_back, wanted)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._due[0][0], self._tick, loop) if self._due else None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._due and self._due[0][0] <= now:
            _, _, watch = heapq.heappop(self._due)
            watch.due(now)
        self._set_timer(loop)


class Watch:
    """One workspace's standby. Every call goes through `call`, every byte of a started process through `touch`."""

    def __init__(self, standby: Standby, sleeper: Sleeper, after_s: float) -> None:
        self._standby = standby
        self._sleeper = sleeper
        self._after_s = after_s
        self._turn = asyncio.Lock()
        self._calls = 0
        self._armed = False
        self._used = False
        self._touched = 0.0
        self._looked = (0.0, 0.0)
        self._closed = False
        self._episode = _Episode()
        self.asleep = False
        """Frozen now."""

    def call(self) -> Call:
        """Resume, and stay awake while the block runs (`async with`). Calls may overlap."""
        return Call(self)

    async def begin(self) -> None:
        """Begin a call."""
        self._calls += 1
        self._used = True
        try:
            await self.resume()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End a call: the time to standby starts anew."""
        self._calls -= 1
        self.touch()

    def touch(self) -> None:
        """Say that something happened: the time to standby starts anew."""
        self._touched = time.monotonic()
        if self._after_s > 0 and not (self._armed or self._closed or self._calls or self.asleep):
            self._arm(self._touched)

    async def standby(self) -> None:
        """Freeze and hand memory back, now; returns when that is done or the next call ended it.

        Raises `SandboxError`, with all going on, when the processes cannot be stopped.
        """
        async with self._turn:
            if self._closed:
                return
            if not self.asleep:
                await self._sleeper.freeze()
                self.asleep = True
                self._episode = _Episode()
            episode = self._episode
        try:
            await self._standby.hand_back(self._sleeper, episode.ended)
        except BaseException:
            episode.over = True  # the thread would go on
            raise

    async def resume(self) -> None:
        """Let all go on; no time is lost on memory that is still on its way out."""
        if not self.asleep and not self._turn.locked():
            return
        async with self._turn:
            if self.asleep:
                self._episode.over = True
                await self._sleeper.thaw()
                self.asleep = False
                self.touch()

    async def close(self) -> None:
        """End the watch before the processes are killed; those that are frozen stay so until then."""
        self._closed = True
        self._episode.over = True
        async with self._turn:
            self._episode.over = True

    async def doze(self) -> None:
        """Go into standby unless a call came first; where that does not work, try again later."""
        if self._calls:
            return
        try:
            await self.standby()
        except SandboxError:
            self.touch()

    def due(self, now: float) -> None:
        """Go into standby if nothing happened for long enough."""
        self._armed = False
        if self._closed or self._calls or self.asleep:
            return
        looked_at, used_s = self._looked
        at_work = (self._sleeper.cpu_s() or 0.0) - used_s > _AT_WORK * (now - looked_at)
        if at_work:
            self._touched = now
        if at_work or self._touched + self._after_s > now:
            self._arm(now)
        else:
            self._standby.run(self)

    def _arm(self, now: float) -> None:
        self._armed = True
        self._looked = (now, (self._sleeper.cpu_s() or 0.0) if self._used else 0.0)
        look_s = min(_LOOK_S, self._after_s / 2)
        self._standby.wake_at(max(self._touched + self._after_s, now + look_s), self)


class Call:
    """A call to a workspace. A class of its own: one is on the way of every command."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def __aenter__(self) -> None:
        await self._watch.begin()

    async def __aexit__(self, *_: object) -> None:
        self._watch.end()


class _Episode:
    """One time in standby; a thread that hands memory back looks here whether it is over."""

    over = False

    def ended(self) -> bool:
        return self.over


def _stands_still(pid: int, standing: tuple[bytes, ...]) -> bool:
    """Say whether all threads of a process are in one of these states, or gone; see proc(5)."""
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - one of many
            with open(f"/proc/{pid}/task/{task}/stat", "rb") as stat:  # noqa: PTH123 - one of many
                if stat.read().rpartition(b")")[2].split()[0] not in standing:
                    return False
    return True


def _cpu_s(pid: int) -> float:
    """Return the processor seconds of a process: `utime` and `stime` of `/proc/PID/stat`, see proc(5)."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 - one of many
        fields = stat.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return 0.0


class Awake:
    """A started process of a workspace that may be in standby: it is woken before it is spoken to.

    Neither waiting for its next words nor for its end keeps it awake: that is what one does with a server.
    """

    def __init__(self, process: Process, watch: Watch) -> None:
        self._process = process
        self._watch = watch

    async def send(self, data: bytes) -> None:
        """Write to its standard input."""
        async with self._watch.call():
            await self._process.send(data)

    async def receive(self) -> bytes:
        """Return the next bytes of its standard output."""
        await self._watch.resume()
        data = await self._process.receive()
        self._watch.touch()
        return data

    async def wait(self) -> Finished:
        """Return how it ended."""
        await self._watch.resume()
        return await self._process.wait()

    async def kill(self) -> None:
        """Kill it and every descendant."""
        async with self._watch.call():
            await self._process.kill()
