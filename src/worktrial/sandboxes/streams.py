"""What a watched process reads and writes: pipes and the report's socket, read without blocking."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

_CHUNK = 65536
WHOLE_REPORT = 262144


class Capture:
    """The beginning and the end of a stream, and how long it was."""

    def __init__(self, keep: int) -> None:
        self._half = keep // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def value(self) -> bytes:
        """Return what was kept, with a note of what was not."""
        tail = bytes(self._tail[-self._half :])
        cut = self.total - len(self._head) - len(tail)
        if cut > 0:
            return bytes(self._head) + f"\n… {cut} bytes cut …\n".encode() + tail
        return bytes(self._head) + tail


@dataclass
class Streams:
    """Our ends of a process's streams, and its own until it has been started. -1: there is none, or it is closed."""

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    """-1: it goes where standard output goes."""
    report: int = -1
    theirs: list[int] = field(default_factory=list)
    """Standard input, output, error and, if there is one, the report, as the process has them."""

    def close_theirs(self) -> None:
        """Let go of the process's ends, once it has them or never will."""
        for handle in dict.fromkeys(self.theirs):
            os.close(handle)
        self.theirs = []

    def close(self) -> None:
        """Let go of everything."""
        self.close_theirs()
        for name in ("stdin", "stdout", "stderr", "report"):
            self.close_one(name)

    def close_one(self, name: str) -> None:
        """Close one of our ends, if it is open."""
        handle = getattr(self, name)
        setattr(self, name, -1)
        if handle >= 0:
            os.close(handle)


def open_streams(*, report: bool = False, stderr: bool = False) -> Streams:
    """Return new streams; with `stderr` standard error has one of its own."""
    made = Streams()
    try:
        their_stdin, made.stdin = _pipe()
        made.theirs = [their_stdin]
        made.stdout, their_stdout = _pipe()
        made.theirs += [their_stdout, their_stdout]
        if stderr:
            made.stderr, made.theirs[2] = _pipe()
        if report:
            made.report, their_report = _one_way()
            made.theirs.append(their_report)
        for handle in (made.stdin, made.stdout, made.stderr, made.report):
            if handle >= 0:
                os.set_blocking(handle, False)
    except BaseException:
        made.close()
        raise
    return made


def _pipe() -> tuple[int, int]:
    return os.pipe2(os.O_CLOEXEC)


def _one_way() -> tuple[int, int]:
    """Return the reading and the writing end of a stream.

    A pipe will not do: whoever holds its writing end can open it for reading through /proc and take back what was
    said. A socket cannot be opened that way, and what was sent lies with the receiver.
    """
    ours, theirs = socket.socketpair()
    ours.shutdown(socket.SHUT_WR)
    theirs.shutdown(socket.SHUT_RD)
    return ours.detach(), theirs.detach()


class Incoming:
    """A stream that is taken in by the event loop itself: for most commands a task would take longer than they do."""

    def __init__(self, handle: int, take: Callable[[bytes], bool], most: int = _CHUNK) -> None:
        """`take` is given what comes, `most` bytes at a time, and says whether to go on. Call it in the event loop."""
        self._handle = handle
        self._take = take
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] | None = None
        self.open = True
        """Whether there may be more."""
        self._loop.add_reader(handle, self.read)

    def read(self) -> None:
        """Take in what there is now, or some of it; the end too."""
        if not self.open:
            return
        try:
            data = os.read(self._handle, self._most)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data or not self._take(data):
            self.close()

    async def ended(self) -> None:
        """Wait until the last holder of the other end has closed it."""
        if self.open:
            self._end = self._loop.create_future()
            await self._end

    def close(self) -> None:
        """Take in no more. The handle stays open."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._handle)
            if self._end is not None and not self._end.done():
                self._end.set_result(None)


async def read_some(handle: int, most: int = _CHUNK) -> bytes:
    """Return the next bytes of a stream, empty at its end."""
    while True:
        try:
            return os.read(handle, most)
        except BlockingIOError:
            await _ready(handle, asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
        except ConnectionResetError:
            return b""


async def read_all(handle: int) -> AsyncIterator[bytes]:
    """Yield what comes of a stream until its end."""
    while data := await read_some(handle, WHOLE_REPORT):
        yield data


async def write_all(handle: int, data: bytes) -> None:
    """Write to a stream. Raises `BrokenPipeError` when nobody reads it."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(handle, left) :]
        except BlockingIOError:
            await _ready(handle, asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer)


async def readable(handle: int) -> None:
    """Wait until there is something to read, or the other end is closed."""
    await _ready(handle, asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)


async def _ready(handle: int, add: Callable[..., object], remove: Callable[[int], object]) -> None:
    waiting = asyncio.get_running_loop().create_future()
    add(handle, _resolve, waiting)
    try:
        await waiting
    finally:
        with contextlib.suppress(ValueError):
            remove(handle)


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
