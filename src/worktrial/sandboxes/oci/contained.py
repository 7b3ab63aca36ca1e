"""A running container, seen from outside: the client that is attached to it, and the frames that go through."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from typing import Any, cast

from worktrial.errors import SandboxError
from worktrial.formats.evidence import Ended
from worktrial.sandboxes.oci.client import Client
from worktrial.sandboxes.oci.inside import frames
from worktrial.sandboxes.protocol import Finished
from worktrial.sandboxes.spawned import end
from worktrial.sandboxes.standby import Watch
from worktrial.sandboxes.streams import Capture

KEPT_OUTPUT = 512 * 1024
KEPT_REPORT = 64 * 1024 * 1024
_KEPT_ERRORS = 16 * 1024
_GRACE_S = 60.0
"""What a container may take to start and to end, beside the time its command was given."""
_LEAVE_S = 5.0
"""What a client is given to see that its container has ended."""
_KILLED = 137
_WAITING = 256
"""Pieces of output that may wait for `receive` before the command is kept waiting."""


class Attached:
    """A container with one of our programs in it, and a client attached to its standard streams."""

    def __init__(self, client: Client, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._client = client
        self._process = process
        self._reader = frames.Frames()
        self._pending: list[tuple[bytes, bytes]] = []
        self._errors = asyncio.create_task(self._read_errors())

    @classmethod
    async def run(
        cls, client: Client, name: str, arguments: list[str], spec: dict[str, Any], *, network: bool
    ) -> Attached:
        """Start a container called `name` and tell it what to do. Raises `SandboxError`."""
        process = await asyncio.create_subprocess_exec(
            *client.argv("run", "--name", name, *client.run_arguments(), *arguments, network=network),
            env=client.env,
            cwd=tempfile.gettempdir(),  # podman's helper leaves a file called `oom` where it was started
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=1 << 20,
        )
        attached = cls(client, name, process)
        try:
            await attached.tell(frames.SPEC, json.dumps(spec).encode())
        except BaseException:
            await attached.remove()
            raise
        return attached

    async def tell(self, kind: bytes, data: bytes) -> None:
        """Send one frame. What nobody takes any more is lost; the next `hear` says so."""
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError("the client was started with pipes")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(frames.frame(kind, data))
            await stdin.drain()

    async def hear(self) -> tuple[bytes, bytes] | None:
        """Return the next frame; None when the container has ended. Raises `SandboxError` for what is no frame."""
        stdout = self._process.stdout
        if stdout is None:
            raise AssertionError("the client was started with pipes")
        while not self._pending:
            data = await stdout.read(1 << 18)
            if not data:
                return None
            try:
                self._pending = list(self._reader.feed(data))
            except ValueError as error:
                raise SandboxError(f"container {self.name} said what nobody understands", cause=str(error)) from error
        return self._pending.pop(0)

    async def ask(self, what: dict[str, Any], data: bytes | None = None) -> bytes:
        """Send a request to a holder and return its answer. Raises `SandboxError`."""
        await self.tell(frames.ASK, json.dumps(what).encode())
        if data is not None:
            await self.tell(frames.INPUT, data)
        return await self.answer()

    async def answer(self) -> bytes:
        """Return the answer of a holder. Raises `SandboxError` with what it, or the client, says instead."""
        heard = await self.hear()
        if heard is None:
            raise SandboxError(f"a container of {self._client.tool} ended by itself", cause=await self.complaint())
        kind, data = heard
        if kind == frames.FAILURE:
            raise SandboxError("a workspace refused", cause=data.decode("utf-8", "replace"))
        return data

    async def complaint(self) -> str:
        """Return what the client, or our program inside, said last on standard error, once it has ended."""
        code = await self._process.wait()
        lines = [line for line in (await self._errors).decode("utf-8", "replace").splitlines() if line.strip()]
        said = [line for line in lines if not line.startswith(("Run '", "See '"))]
        return "; ".join(said[-2:])[-1000:] if said else f"exit code {code}"

    async def exit_code(self) -> int:
        """Return the client's exit code, once it has ended."""
        return await self._process.wait()

    async def leave(self) -> None:
        """Close the container's input, at which it ends, and wait until it has gone."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._process.wait()
                await self._errors
        except TimeoutError:  # podman 4.3 may wait for the end of a container that it has missed
            await self.remove()
        finally:
            await self._finish()

    async def remove(self) -> None:
        """Kill the container and remove it, whatever state it is in. Not to be stopped half-way."""
        await asyncio.shield(asyncio.ensure_future(self._remove()))

    async def _remove(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._client.remove(self.name)
        await self._finish()

    async def _finish(self) -> None:
        await end(self._process)
        self._errors.cancel()
        await asyncio.gather(self._errors, return_exceptions=True)

    async def _read_errors(self) -> bytes:
        kept = Capture(_KEPT_ERRORS)
        stderr = self._process.stderr
        if stderr is None:
            raise AssertionError("the client was started with pipes")
        while data := await stderr.read(65536):
            kept.feed(data)
        return kept.value()


class Contained:
    """A command that runs in a container of its own: the `Process` of this tier."""

    def __init__(self, attached: Attached, spec: dict[str, Any], watch: Watch) -> None:
        """Listen to a container that was told `spec`; `watch` is the standby of its workspace."""
        self.name = attached.name
        self._attached = attached
        self._what = str(spec["argv"][0])
        self._watch = watch
        self._output = Capture(KEPT_OUTPUT)
        self._report = bytearray()
        self._apart = bool(spec["apart"])
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._input_closed = False
        self._killed = False
        self._started = asyncio.Event()
        self._failed_to_start = True
        self._ended = asyncio.create_task(self._listen(float(spec["timeout_s"])))

    async def send(self, data: bytes) -> None:
        """Write to its standard input. Raises `SandboxError` when it has ended."""
        async with self._watch.call():
            if self._ended.done() or self._input_closed:
                raise SandboxError(f"{self._what} takes no more input", cause="it has ended, or its input was closed")
            if data:
                await self._attached.tell(frames.INPUT, data)

    async def feed(self, data: bytes) -> None:
        """Give it all of its standard input."""
        self._input_closed = True
        if data:
            await self._attached.tell(frames.INPUT, data)
        await self._attached.tell(frames.INPUT, b"")

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self._ended.done()

    def when_ended(self, then: Callable[[], None]) -> None:
        """Call `then` when it is over, at once when it is already."""
        self._ended.add_done_callback(lambda _: then())

    async def started(self) -> None:
        """Wait until it runs. Raises `SandboxError` when it could not be started."""
        await self._started.wait()
        if self._failed_to_start:
            await self.result()

    async def result(self) -> Finished:
        """Wait for its end, and return it. Raises `SandboxError` when it could not be started."""
        return await asyncio.shield(self._ended)

    async def receive(self) -> bytes:
        """Return the next bytes of its standard output, empty at the end."""
        async with self._watch.call():
            if self._ended.done() and self._pieces.empty():
                return b""
        return await self._pieces.get()  # waiting is no work: it may be frozen meanwhile

    async def wait(self) -> Finished:
        """Return how it ended, its standard error as `output`. Raises `SandboxError` when it could not be started."""
        async with self._watch.call():
            return await self.result()

    async def kill(self) -> None:
        """Kill its container, and with it every descendant."""
        self._killed = True
        while not self._pieces.empty():  # nobody will: and while there is no room, nothing more is listened to
            self._pieces.get_nowait()
        await self._attached.remove()
        await asyncio.wait([self._ended])

    async def _listen(self, timeout_s: float) -> Finished:
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s + _GRACE_S):
                while (heard := await self._attached.hear()) is not None:
                    kind, data = heard
                    if kind == frames.STARTED:
                        self._failed_to_start = False
                        self._started.set()
                    elif kind == frames.END:
                        return self._finished(json.loads(data))
                    else:
                        await self._take(kind, data)
                code = await self._attached.exit_code()
        except TimeoutError:
            return self._stopped("timeout", time.monotonic() - started)
        finally:
            await self._leave()
            self._started.set()
            if self._pieces.empty():
                self._pieces.put_nowait(b"")  # for who waits for more
        if self._killed:
            return self._stopped("completed", time.monotonic() - started)
        if code == _KILLED:  # by the kernel, with all that was in it: that is how gVisor runs out of memory
            return self._stopped("out_of_memory", time.monotonic() - started)
        raise SandboxError(f"could not start {self._what}", cause=await self._attached.complaint())

    async def _leave(self) -> None:
        await (self._attached.remove() if self._killed else self._attached.leave())

    async def _take(self, kind: bytes, data: bytes) -> None:
        if kind == frames.REPORT:
            self._report += data[: KEPT_REPORT - len(self._report)]
        elif kind == frames.OUTPUT and self._apart:
            self._watch.touch()
            if not self._killed:
                await self._pieces.put(data)
        else:
            self._output.feed(data)

    def _finished(self, said: dict[str, Any]) -> Finished:
        if "failure" in said:
            raise SandboxError(f"could not start {self._what}", cause=said["failure"])
        output = self._output.value()
        ended = cast("Ended", said["why"])
        if said["code"] and said["full"] and b"no space left on device" in output.lower():
            ended = "disk_full"
        code = said["code"] if ended in ("completed", "disk_full") else None
        return Finished(ended, code, output, bytes(self._report), said["wall_s"])

    def _stopped(self, ended: Ended, wall_s: float) -> Finished:
        return Finished(ended, None, self._output.value(), bytes(self._report), wall_s)
