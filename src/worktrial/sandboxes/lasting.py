"""Processes that live on between calls: a language server, a verification server, an agent."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.sandboxes.process import REPORT_FD, Ask, Bounds, Watched, one_way, read_report
from worktrial.sandboxes.protocol import Finished

_DRAIN_S = 2.0


class LastingProcess:
    """A process of ours with open streams, ended when it goes beyond its bounds."""

    def __init__(self, watched: Watched, report_fd: int | None) -> None:
        self._watched = watched
        self._said = bytearray()
        self._report = None if report_fd is None else asyncio.create_task(read_report(report_fd, self._said))
        self._started = time.monotonic()
        self._errors = asyncio.create_task(watched.read_output(watched.process.stderr))
        self._ended = asyncio.create_task(self._watch())

    @property
    def pid(self) -> int:
        """Its process id on the host."""
        return self._watched.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._watched.process.returncode is None

    async def send(self, data: bytes) -> None:
        """Write to its standard input. Raises `SandboxError` when it has ended or closed it."""
        stdin = self._watched.process.stdin
        if stdin is None or stdin.is_closing() or not self.running:
            raise SandboxError("could not write to a process of a workspace", cause="it has ended")
        try:
            stdin.write(data)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise SandboxError("could not write to a process of a workspace", cause="it closed its input") from error

    async def receive(self) -> bytes:
        """Return the next bytes of its standard output, empty at the end."""
        stdout = self._watched.process.stdout
        data = b"" if stdout is None else await stdout.read(65536)
        if not data and not self.running:
            self._watched.process._transport.close()  # type: ignore[attr-defined]
        return data

    async def wait(self) -> Finished:
        """Return how it ended, with its standard error as `output`; all its descendants are dead by then."""
        return await asyncio.shield(self._ended)

    async def kill(self) -> None:
        """Kill it and every descendant. Harmless when it has ended."""
        self._watched.kill()
        await self.wait()
        self._watched.process._transport.close()  # type: ignore[attr-defined]

    async def _watch(self) -> Finished:
        watched, process = self._watched, self._watched.process
        try:
            await watched.wait()
            wall_s = time.monotonic() - self._started
            watched.kill()
            await asyncio.wait([self._errors], timeout=_DRAIN_S)
        finally:
            watched.kill()
            self._errors.cancel()
            await asyncio.gather(self._errors, return_exceptions=True)
            while process.returncode is None:  # noqa: ASYNC110 - asyncio's own wait lasts until the pipes are closed
                await asyncio.sleep(0.005)
        if self._report is not None:
            await asyncio.wait([self._report], timeout=_DRAIN_S)
            self._report.cancel()
            await asyncio.gather(self._report, return_exceptions=True)
        code = process.returncode if watched.ended == "completed" else None
        return Finished(watched.ended, code, watched.output.value(), bytes(self._said), wall_s)


async def start_process(
    argv: list[str],
    *,
    env: Mapping[str, str],
    bounds: Bounds,
    stdin: bytes = b"",
    cwd: Path | None = None,
    marker: str = "",
    report: bool = False,
    ask: Ask | None = None,
    reaper: bool = False,
) -> LastingProcess:
    """Start `argv` within `bounds`, `stdin` written to it first. The arguments are those of `run_process`.

    Raises `SandboxError` when it could not be started.
    """
    read_end, write_end = one_way() if report else (None, -1)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**env, REPORT_FD: str(write_end)} if report else dict(env),
            pass_fds=(write_end,) if report else (),
            start_new_session=True,
            cwd=os.fspath(cwd) if cwd else None,
        )
    except (OSError, ValueError) as error:
        if read_end is not None:
            os.close(read_end)
        cause = getattr(error, "strerror", None) or str(error)
        raise SandboxError(f"could not start {argv[0]}", cause=cause) from error
    finally:
        if report:
            os.close(write_end)
    started = LastingProcess(Watched(process, bounds, marker, ask, reaper=reaper), read_end)
    if stdin:
        await started.send(stdin)
    return started
