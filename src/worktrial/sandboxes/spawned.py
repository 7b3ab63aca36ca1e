"""Processes of the host, started by their command line: sandboxed ones under watch, and trusted programs of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import InfrastructureError
from worktrial.sandboxes.process import REPORT_FD, Ask, Bounds, Live, not_started, watch
from worktrial.sandboxes.protocol import Finished
from worktrial.sandboxes.streams import Streams, open_streams
from worktrial.sandboxes.usage import descendants, marked
from worktrial.store.git import last_line


@dataclass(frozen=True)
class Spawn:
    """A process to start, and what bounds it."""

    argv: list[str]
    env: Mapping[str, str]
    bounds: Bounds
    cwd: Path
    stdin: bytes = b""
    report: bool = False
    marker: str = ""
    """`NAME=VALUE`, a variable of `env` that finds descendants which cut themselves loose, for want of a pid namespace;
    empty: none can."""
    ask: Ask | None = None
    """Called now and then for a further reason to end it."""
    reaper: bool = False
    """Whether it kills all below it itself when told to end."""

    async def run(self) -> Finished:
        """Run it and return how it ended; every descendant is dead by then. Raises `SandboxError`."""
        streams = open_streams(report=self.report)
        child = await self._child(streams)
        return await watch(child, streams, self.bounds, self.stdin, ask=self.ask)

    async def start(self) -> Live:
        """Start it, `stdin` written to it first. Raises `SandboxError` if it cannot."""
        streams = open_streams(report=self.report, stderr=True)
        child = await self._child(streams)
        return Live(child, streams, self.bounds, self.stdin, ask=self.ask)

    async def _child(self, streams: Streams) -> _Spawned:
        """Start the process on streams; they are closed when it cannot be."""
        stdin, stdout, stderr, *more = streams.theirs
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={**self.env, REPORT_FD: str(more[0])} if more else dict(self.env),
                pass_fds=more,
                start_new_session=True,
                cwd=self.cwd,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate in an argument
            streams.close()
            raise not_started(self.argv, error) from error
        except BaseException:
            streams.close()
            raise
        streams.close_theirs()
        return _Spawned(process, self.marker, self.reaper)


class _Spawned:
    """A child that was started by its command line."""

    keepers = 0

    def __init__(self, process: asyncio.subprocess.Process, marker: str, reaper: bool) -> None:
        self._process = process
        self._marker = marker
        self._reaper = reaper
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.returncode

    async def wait(self) -> object:
        return await self._process.wait()

    def kill(self) -> None:
        running = self.returncode is None
        if running and self._reaper:
            for number in (signal.SIGTERM, signal.SIGCONT):
                self._process.send_signal(number)
            return
        strays = descendants(self.pid) if running else []
        strays += marked(self._marker) if self._marker else []
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    async def gone(self) -> None:
        await self._process.wait()


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
