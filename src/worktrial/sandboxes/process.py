"""Running one process under watch: time, memory, processes and output are bounded, and nothing outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import InfrastructureError, SandboxError
from worktrial.formats.evidence import Ended
from worktrial.sandboxes.protocol import Finished
from worktrial.store.git import last_line

REPORT_FD = "WORKTRIAL_REPORT_FD"
"""Variable that holds the number of the report's file descriptor."""

_KEPT_OUTPUT = 512 * 1024
_KEPT_REPORT = 64 * 1024 * 1024
_POLL_S = 0.1
_DRAIN_S = 2.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Bounds:
    """What one process and all its descendants may use."""

    timeout_s: float
    memory_mib: int
    """Resident memory of all of them together, looked at every tenth of a second."""
    processes: int
    output_mib: int


class Capture:
    """The beginning and the end of a stream, and how long it was."""

    def __init__(self, keep: int) -> None:
        self._half = keep // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def value(self) -> bytes:
        """Return what was kept, and in the middle how much was not."""
        tail = bytes(self._tail[-self._half :])
        cut = self.total - len(self._head) - len(tail)
        if cut > 0:
            return bytes(self._head) + f"\n… {cut} bytes cut …\n".encode() + tail
        return bytes(self._head) + tail


async def run_process(
    argv: list[str],
    *,
    env: Mapping[str, str],
    bounds: Bounds,
    stdin: bytes = b"",
    report: bool = False,
    cwd: Path | None = None,
    marker: str = "",
    ask: Ask | None = None,
    reaper: bool = False,
) -> Finished:
    """Run `argv` within `bounds` and return how it ended; every descendant is dead by then.

    `marker` (`NAME=VALUE`, a variable of `env`) finds descendants that cut themselves loose, for want of a pid
    namespace; `ask` is called now and then for a further reason to end it; a `reaper` kills all below it itself when
    told to end. Raises `SandboxError` when it could not be started.
    """
    read_end, write_end = one_way() if report else (-1, -1)
    started = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**env, REPORT_FD: str(write_end)} if report else dict(env),
            pass_fds=(write_end,) if report else (),
            start_new_session=True,
            cwd=cwd,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in an argument
        if report:
            os.close(read_end)
        cause = getattr(error, "strerror", None) or str(error)
        raise SandboxError(f"could not start {argv[0]}", cause=cause) from error
    finally:
        if report:
            os.close(write_end)
    watched = Watched(process, bounds, marker, ask, reaper=reaper)
    streams = [asyncio.create_task(watched.feed(stdin)), asyncio.create_task(watched.read_output(process.stdout))]
    reported = bytearray()
    if report:
        streams.append(asyncio.create_task(read_report(read_end, reported)))
    try:
        await watched.wait()
        wall_s = time.monotonic() - started
        watched.kill()  # what it left behind would hold the streams open
        await asyncio.wait(streams, timeout=_DRAIN_S)
    finally:
        watched.kill()
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        while process.returncode is None:  # noqa: ASYNC110 - asyncio's own wait lasts until the pipes are closed
            await asyncio.sleep(0.005)
        # Strays outside of the process group may still hold the pipes; without this the transport would wait for them.
        process._transport.close()  # type: ignore[attr-defined]
    code = process.returncode if watched.ended == "completed" else None
    return Finished(watched.ended, code, watched.output.value(), bytes(reported), wall_s)


Ask = Callable[[], Ended | None]


class Watched:
    """A running process, its captured output, and what put an end to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        bounds: Bounds,
        marker: str,
        ask: Ask | None = None,
        *,
        reaper: bool = False,
    ) -> None:
        self.ask = ask
        self.reaper = reaper
        self.process = process
        self.bounds = bounds
        self.marker = marker
        self.output = Capture(_KEPT_OUTPUT)
        self.ended: Ended = "completed"

    async def feed(self, data: bytes) -> None:
        """Write `data` to the process's standard input; a process that does not read it is no error."""
        stdin = self.process.stdin
        if stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(data)
            await stdin.drain()
        stdin.close()

    async def read_output(self, stream: asyncio.StreamReader | None) -> None:
        """Read what the process prints until its last holder closes the stream, or there is too much."""
        if stream is None:
            return
        while data := await stream.read(65536):
            self.output.feed(data)
            if self.output.total > self.bounds.output_mib * 1024 * 1024:
                self.stop("output_flood")
                return

    async def wait(self) -> None:
        """Wait for the process, ending it when it goes beyond its bounds."""
        deadline = time.monotonic() + self.bounds.timeout_s
        ended = asyncio.ensure_future(self.process.wait())
        try:
            # asyncio's own wait lasts until every holder of the output is gone; the exit code is there before.
            while self._running():
                await asyncio.wait([ended], timeout=min(_POLL_S, max(0.0, deadline - time.monotonic())))
                if self._running() and time.monotonic() >= deadline:
                    self.stop("timeout")
                elif self._running():
                    self._check_usage()
        finally:
            ended.cancel()

    def _running(self) -> bool:
        return self.process.returncode is None

    def _check_usage(self) -> None:
        pids = descendants(self.process.pid)
        if len(pids) > self.bounds.processes:
            self.stop("process_flood")
        elif sum(map(_resident_bytes, pids)) > self.bounds.memory_mib * 1024 * 1024:
            self.stop("out_of_memory")
        elif self.ask is not None and (why := self.ask()) is not None:
            self.stop(why)

    def stop(self, why: Ended) -> None:
        """End the process and remember why; the first reason counts."""
        if self.ended == "completed" and self.process.returncode is None:
            self.ended = why
        self.kill()

    def kill(self) -> None:
        """Kill the process's group and every descendant that left it. Harmless when all are dead."""
        running = self.process.returncode is None
        if running and self.reaper:
            for number in (signal.SIGTERM, signal.SIGCONT):
                self.process.send_signal(number)
            return
        strays = descendants(self.process.pid) if running else []
        strays += marked(self.marker) if self.marker else []
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def one_way() -> tuple[int, int]:
    """Return the reading and the writing end of a stream.

    A pipe will not do: whoever holds its writing end can open it for reading through /proc and take back what was
    said. A socket cannot be opened that way, and what was sent lies with the receiver.
    """
    ours, theirs = socket.socketpair()
    ours.shutdown(socket.SHUT_WR)
    theirs.shutdown(socket.SHUT_RD)
    return ours.detach(), theirs.detach()


async def run_trusted(argv: list[str], *, env: Mapping[str, str], data: bytes, name: str) -> bytes:
    """Run a program of ours to its end and return its standard output.

    Raises `InfrastructureError`, calling it `name`, when it fails; it does not outlive a cancellation.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=dict(env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us to answer, and must not tear what is written to a workspace
    )
    try:
        output, errors = await process.communicate(data)
    except BaseException:
        await end(process)
        raise
    if process.returncode:
        raise InfrastructureError(f"{name} failed on a workspace", cause=last_line(errors))
    return output


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process of ours and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    # A transport whose pipes nobody reads any more is closed by hand, or it lives until the loop ends.
    process._transport.close()  # type: ignore[attr-defined]


async def read_report(handle: int, into: bytearray) -> None:
    """Read a report to its end, as much of it as is kept; closes `handle`."""
    with socket.socket(fileno=handle) as end_of_ours:
        end_of_ours.setblocking(False)
        with contextlib.suppress(ConnectionResetError):
            while data := await asyncio.get_running_loop().sock_recv(end_of_ours, 262144):
                into += data[: max(0, _KEPT_REPORT - len(into))]


def descendants(pid: int) -> list[int]:
    """Return the ids of a process and all its living descendants, as the kernel lists them."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208 - a hot loop over /proc
                with open(f"/proc/{parent}/task/{task}/children", "rb") as children:  # noqa: PTH123
                    found += map(int, children.read().split())
        except OSError:
            continue  # it ended while we looked
    return found


def marked(marker: str) -> list[int]:
    """Return the ids of the processes that were started with `marker` in their environment, but for this one."""
    wanted = os.fsencode(marker)
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - a hot loop over /proc
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as variables:  # noqa: PTH123
                if wanted in variables.read().split(b"\0"):
                    found.append(int(name))
    return found


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:  # noqa: PTH123 - a hot loop over /proc
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return 0
