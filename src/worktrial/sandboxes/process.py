"""Running one process under watch: time, memory, processes and output are bounded, and nothing outlives it.

What is watched is a `Child`: a process started by its command line here, or a cell of the namespaces engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import signal
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from worktrial.errors import SandboxError
from worktrial.formats.evidence import Ended
from worktrial.sandboxes.protocol import Finished
from worktrial.sandboxes.streams import WHOLE_REPORT, Capture, Incoming, Streams, read_some, write_all
from worktrial.sandboxes.usage import used_by

REPORT_FD = "WORKTRIAL_REPORT_FD"
"""Variable that holds the number of the report's file descriptor."""

_KEPT_OUTPUT = 512 * 1024
_KEPT_REPORT = 64 * 1024 * 1024
_POLL_S = 0.1
_POLL_ASLEEP_S = 1.0
_DRAIN_S = 2.0


@dataclass(frozen=True)
class Bounds:
    """What one process and all its descendants may use."""

    timeout_s: float
    memory_mib: int
    """Resident memory of all of them together, looked at every tenth of a second."""
    processes: int
    output_mib: int
    cpu_s: float = math.inf
    """Processor seconds of all of them together, looked at as often."""


class Child(Protocol):
    """A process that was started, with its descendants."""

    pid: int
    """On the host."""
    keepers: int
    """Processes among its descendants and itself that are ours: they do not count."""

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        ...

    async def wait(self) -> object:
        """Wait until it has ended."""
        ...

    def kill(self) -> None:
        """Kill it and every descendant that can be found. Harmless when all are dead."""
        ...

    async def gone(self) -> None:
        """Wait until nothing is left of it, killed or ended by itself."""
        ...


Ask = Callable[[], Ended | None]
"""Returns a reason to end a process, when there is one by now."""


class Gauge(Protocol):
    """What knows how much of its bounds a child uses."""

    def beyond(self, child: Child, bounds: Bounds) -> Ended | None:
        """Return the bound that it is beyond now, if it is beyond one."""
        ...

    def ended(self, failed: bool) -> Ended | None:
        """Return the bound that a child which failed met while it ran, if it met one.

        Called when nothing of it is left, and whether it `failed` or not: it counts no more from now on.
        """
        ...

    def asleep(self) -> bool:
        """Say whether it is frozen, and needs no looking at."""
        ...


class Polling:
    """Adds up what the child and its descendants use, as /proc tells it."""

    def beyond(self, child: Child, bounds: Bounds) -> Ended | None:
        """Look at them now."""
        used = used_by(child.pid)
        if used.processes - child.keepers > bounds.processes:
            return "process_flood"
        if used.resident_bytes > bounds.memory_mib * 1024 * 1024:
            return "out_of_memory"
        return "cpu_exhausted" if used.cpu_s >= bounds.cpu_s else None

    def ended(self, failed: bool) -> Ended | None:
        """Return None: what happened between two looks cannot be told."""
        return None

    def asleep(self) -> bool:
        """Return False: nothing freezes it."""
        return False


def not_started(argv: list[str], error: Exception) -> SandboxError:
    """Return the error that says that a command could not even be tried."""
    return SandboxError(f"could not start {argv[0]}", cause=getattr(error, "strerror", None) or str(error))


async def watch(
    child: Child,
    streams: Streams,
    bounds: Bounds,
    stdin: bytes = b"",
    *,
    ask: Ask | None = None,
    gauge: Gauge | None = None,
) -> Finished:
    """See a child that was started on `streams` to its end, which it may meet by going beyond its bounds."""
    watched = _Watched(child, bounds, ask, gauge)
    started = time.monotonic()
    report = _Report()
    incoming = [Incoming(streams.stdout, watched.take)]
    if streams.report >= 0:
        incoming.append(Incoming(streams.report, report.take, WHOLE_REPORT))
    feeding = [asyncio.create_task(_feed(streams, stdin))] if stdin else []
    if not stdin:
        streams.close_one("stdin")
    try:
        await watched.wait()
        wall_s = time.monotonic() - started
        child.kill()  # what it left behind would hold the streams open
        await _drained(incoming)
    finally:
        child.kill()
        for stream in incoming:
            stream.close()
        await _cancelled(feeding)
        streams.close()
        await child.gone()
    return watched.finished(report.value(), wall_s)


async def _drained(incoming: Iterable[Incoming]) -> None:
    """Take in what is left of streams; what comes of them later than `_DRAIN_S` is left."""
    for stream in incoming:
        stream.read()
    if any(stream.open for stream in incoming):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                for stream in incoming:
                    await stream.ended()


async def _cancelled(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """End tasks, whatever they have to say; nothing waits where all have ended."""
    running = []
    for task in tasks:
        if not task.done():
            task.cancel()
            running.append(task)
        elif not task.cancelled():
            task.exception()  # or it would be reported that nobody has looked at it
    if running:
        await asyncio.gather(*running, return_exceptions=True)


async def _feed(streams: Streams, data: bytes) -> None:
    """Write `data` to the process's standard input; a process that does not read it is no error."""
    with contextlib.suppress(BrokenPipeError):
        await write_all(streams.stdin, data)
    streams.close_one("stdin")


class _Report:
    """The beginning of what a process reports."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def take(self, data: bytes) -> bool:
        self._kept += data[: max(0, _KEPT_REPORT - len(self._kept))]
        return True

    def value(self) -> bytes:
        return bytes(self._kept)


class _Watched:
    """A running child, its captured output, and what put an end to it."""

    def __init__(self, child: Child, bounds: Bounds, ask: Ask | None, gauge: Gauge | None) -> None:
        self.child = child
        self.bounds = bounds
        self.ask = ask
        self.gauge = gauge or Polling()
        self.output = Capture(_KEPT_OUTPUT)
        self.passed_on = 0
        """Bytes of output that somebody else has read."""
        self.ended: Ended = "completed"
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + bounds.timeout_s
        self._failure: Exception | None = None

    def take(self, data: bytes) -> bool:
        """Take in what the process printed; tell whether that was not too much."""
        self.output.feed(data)
        return self.check_output()

    def check_output(self) -> bool:
        """End the child when it printed too much; tell whether it did not."""
        if self.output.total + self.passed_on > self.bounds.output_mib * 1024 * 1024:
            self.stop("output_flood")
            return False
        return True

    async def wait(self) -> None:
        """Wait for the process, ending it when it goes beyond its bounds."""
        self._look_later()
        try:
            await self.child.wait()
        finally:
            self._timer.cancel()
        if self._failure is not None:
            raise self._failure

    def _look_later(self) -> None:
        pause_s = _POLL_ASLEEP_S if self.gauge.asleep() else _POLL_S
        left_s = self._deadline - self._loop.time()
        self._timer = self._loop.call_later(min(pause_s, left_s) if left_s > 0 else _POLL_S, self._look)

    def _look(self) -> None:
        try:
            if self._loop.time() >= self._deadline:
                self.stop("timeout")
            elif not self.gauge.asleep():
                self._check_usage()
        except Exception as error:  # noqa: BLE001 - whatever it is, `wait` raises it
            self._failure = error
            self.child.kill()
        self._look_later()

    def _check_usage(self) -> None:
        why = self.gauge.beyond(self.child, self.bounds) or (self.ask() if self.ask is not None else None)
        if why is not None:
            self.stop(why)

    def stop(self, why: Ended) -> None:
        """End the process and remember why; the first reason counts."""
        if self.ended == "completed" and self.child.returncode is None:
            self.ended = why
        self.child.kill()

    def finished(self, report: bytes, wall_s: float) -> Finished:
        code = self.child.returncode if self.ended == "completed" else None
        met = self.gauge.ended(bool(code))
        if code in (-signal.SIGXCPU, 128 + signal.SIGXCPU) and self.bounds.cpu_s < math.inf:
            return Finished("cpu_exhausted", None, self.output.value(), report, wall_s)
        if code and met is not None:
            return Finished(met, None, self.output.value(), report, wall_s)
        return Finished(self.ended, code, self.output.value(), report, wall_s)


class Live:
    """A child that goes on between calls: see `Process`."""

    def __init__(
        self,
        child: Child,
        streams: Streams,
        bounds: Bounds,
        stdin: bytes = b"",
        *,
        ask: Ask | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        self._child = child
        self._streams = streams
        self._watched = _Watched(child, bounds, ask, gauge)
        self._started = time.monotonic()
        self._task = asyncio.create_task(self._watch())
        self._writing = asyncio.Lock()
        self._feeding = asyncio.create_task(self._write(stdin))

    @property
    def pid(self) -> int:
        """Its number on the host."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._task.done()

    async def send(self, data: bytes) -> None:
        """Write to its standard input. Raises `SandboxError` when it has ended or closed it."""
        try:
            await self._or_end(self._write(data))
        except OSError as error:
            raise SandboxError("could not write to a process", cause=error.strerror or str(error)) from error

    async def receive(self) -> bytes:
        """Return the next bytes of its standard output, empty at the end."""
        if self._streams.stdout < 0:
            return b""
        data = await read_some(self._streams.stdout)
        self._watched.passed_on += len(data)
        return data if self._watched.check_output() else b""

    async def wait(self) -> Finished:
        """Return how it ended, with its standard error as `output`."""
        return await asyncio.shield(self._task)

    async def kill(self) -> None:
        """Kill it and every descendant."""
        self._child.kill()
        await asyncio.wait([self._task])

    async def close(self) -> None:
        """Kill it and let go of its streams: nothing can be received any more."""
        await self.kill()
        self._streams.close()

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            if self._streams.stdin < 0:
                raise BrokenPipeError(errno.EPIPE, "it has ended")
            await write_all(self._streams.stdin, data)

    async def _or_end(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do something that a process which has ended would keep from ever being done."""
        task = asyncio.ensure_future(doing)
        try:
            await asyncio.wait([task, self._task], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise BrokenPipeError(errno.EPIPE, "it has ended")
            await task
        finally:
            await _cancelled([task])

    async def _watch(self) -> Finished:
        report = _Report()
        incoming = [Incoming(self._streams.stderr, self._watched.take)]
        if self._streams.report >= 0:
            incoming.append(Incoming(self._streams.report, report.take, WHOLE_REPORT))
        try:
            await self._watched.wait()
            wall_s = time.monotonic() - self._started
            self._child.kill()
            await _drained(incoming)
        finally:
            self._child.kill()
            for stream in incoming:
                stream.close()
            await _cancelled([self._feeding])
            for name in ("stdin", "stderr", "report"):
                self._streams.close_one(name)
            await self._child.gone()
        return self._watched.finished(report.value(), wall_s)
