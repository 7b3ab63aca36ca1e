"""Our end of the namespaces engine: starting the spawner, giving it orders, and watching the cells it makes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import worktrial
from worktrial.errors import SandboxError
from worktrial.sandboxes import packages
from worktrial.sandboxes.inside import messages
from worktrial.sandboxes.owner import sandbox_uid
from worktrial.sandboxes.streams import readable
from worktrial.store.cache import cache_dir
from worktrial.store.files import writing

_START = (
    "import os, sys; sys.path.append(os.environ['SOURCE']); "
    "from worktrial.sandboxes.inside.spawner import main; main(int(os.environ['CONTROL']))"
)
_START_TIMEOUT_S = 60.0
_CLOSED = "the sandbox engine has ended"


class Spawner:
    """The spawner of this process, started when it is first needed. It ends with us, or with the last who uses this."""

    def __init__(self, pool: int) -> None:
        self._pool = pool
        self._starting = threading.Lock()
        self._control: socket.socket | None = None
        self._end: weakref.finalize[Any, Any] | None = None
        self.store = cache_dir() / "mnt"
        """Where it mounts workspaces, as programs see that it runs for us."""
        self.host_uid = -1
        """User on the host that its sandboxes are; -1 before it was started."""
        self.warm = False
        """Whether it can keep interpreters ready."""

    def start(self) -> socket.socket:
        """Start it, unless it runs, and return where orders go. Raises `SandboxError`; takes some 50 ms."""
        with self._starting:
            if self._control is None:
                self._control = self._started()
            return self._control

    def _started(self) -> socket.socket:
        store = self.store = cache_dir() / "mnt"
        with writing(store):
            store.mkdir(parents=True, exist_ok=True)
        ours, theirs = messages.pair()
        environment = {"SOURCE": str(Path(worktrial.__file__).parents[1]), "CONTROL": str(theirs.fileno())}
        # Sandboxed programs can read our command line, as that of their first process: it names no folder of ours.
        environment["PATH"], program = os.path.split(sys.executable)
        environment |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        with theirs:
            process = subprocess.Popen(
                [program, "-I", "-S", "-X", "utf8", "-c", _START],
                executable=sys.executable,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                cwd="/",
            )
        said: dict[str, Any] = {}
        covered = [str(path) for path in packages.of_system()]
        with contextlib.suppress(OSError):
            ours.settimeout(_START_TIMEOUT_S)
            messages.send(ours, {"uid": sandbox_uid(), "store": str(store), "pool": self._pool, "covered": covered})
            received = messages.receive(ours)
            ours.settimeout(None)
            said = received[0] if received else {}
        if process.stderr is None:
            raise AssertionError("it was started with a pipe")
        with process.stderr as errors:
            if "owner" not in said:
                ours.close()
                process.kill()
                complaint = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                process.wait()
                cause = said.get("error") or " ".join(complaint) or "it ended at once"
                raise SandboxError("could not start the sandbox engine", cause=cause, hint="see: worktrial doctor")
        self.host_uid, self.warm = said["host_uid"], said["warm"]
        if self._end is not None:
            self._end()
        self._end = weakref.finalize(self, _finish, ours, process)
        return ours

    def order(self, order: dict[str, Any], handles: Sequence[int] = ()) -> Answers:
        """Give an order and return where its answers come. Raises `SandboxError` when the spawner is gone."""
        ours, theirs = messages.pair()
        try:
            with theirs:
                messages.send(self.start(), order, (theirs.fileno(), *handles))
        except OSError as error:
            ours.close()
            self._control = None  # the next to open a workspace gets another one
            raise SandboxError(_CLOSED, cause=error.strerror or str(error)) from error
        except BaseException:
            ours.close()
            raise
        return Answers(ours)


def _finish(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    control.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Answers:
    """What comes back of an order. Closing it ends what the order started."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._heard: tuple[dict[str, Any], list[int]] | None = None

    def hear(self) -> None:
        """Take in an answer that has come already, so that less is to be done when somebody asks for it."""
        if self._heard is None:
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                self._heard = messages.receive(self._source, socket.MSG_DONTWAIT)

    async def next(self) -> tuple[dict[str, Any], list[int]] | None:
        """Return the next answer, None when there will be no more."""
        if self._heard is not None:
            heard, self._heard = self._heard, None
            return heard
        while True:
            try:
                return messages.receive(self._source, socket.MSG_DONTWAIT)
            except BlockingIOError:
                await readable(self._source.fileno())
            except ConnectionResetError:
                return None

    def send(self, message: dict[str, Any], handles: Sequence[int] = ()) -> None:
        """Send something the other way: a worker takes its job where its answers come from. Raises `OSError`."""
        messages.send(self._source, message, handles)

    def expect(self, what: str) -> tuple[dict[str, Any], list[int]]:
        """Wait for the next answer where no event loop runs. Raises `SandboxError` when it is an error."""
        return _unless_error(messages.receive(self._source), what)

    def close(self) -> None:
        """Let go of it."""
        self._source.close()
        if self._heard is not None:
            messages.close_all(self._heard[1])
            self._heard = None


class Waiting:
    """A cell that was handed over to us and waits for its job; it ends when this is closed."""

    def __init__(self, pid: int, pidfd: int, orders: int) -> None:
        """`orders` is the socket that it takes its job from."""
        self.pid = pid
        self.pidfd = pidfd
        self._orders = messages.connection(orders)

    def begin(self, job: dict[str, Any], handles: Sequence[int]) -> Cell | None:
        """Give it its job and return it at work; None when it is dead, and `handles` are still to be used."""
        try:
            messages.send(self._orders, job, handles)
        except OSError:
            self.close()
            return None
        pidfd, self.pidfd = self.pidfd, -1
        return Cell(Answers(self._orders), self.pid, pidfd)

    def close(self) -> None:
        """Let go of it, if that has not been done."""
        self._orders.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


async def first_answer(answers: Answers, what: str) -> tuple[dict[str, Any], list[int]]:
    """Return the answer to an order, closing `answers` when it is that it could not be done (`SandboxError`)."""
    try:
        return _unless_error(await answers.next(), what)
    except BaseException:
        answers.close()
        raise


def _unless_error(received: tuple[dict[str, Any], list[int]] | None, what: str) -> tuple[dict[str, Any], list[int]]:
    if received is None:
        raise SandboxError(what, cause=_CLOSED)
    if "error" in received[0]:
        raise SandboxError(what, cause=received[0]["error"])
    return received


class Cell:
    """A process of the engine's and what runs below it: a command in a sandbox, or a trusted program."""

    keepers = 1

    def __init__(self, answers: Answers, pid: int, pidfd: int) -> None:
        self.answers = answers
        self._pidfd = pidfd
        self.pid = pid
        self.returncode: int | None = None
        self.said: dict[str, Any] = {}
        """What its first process said of its end; nothing when it was killed."""

    async def wait(self) -> None:
        """Wait until its command has ended and all else in it is dead. Raises `SandboxError` if it never began."""
        if self.returncode is not None:
            return
        received = await self.answers.next()
        if received is None:
            await self._until_dead()
            self.returncode = -signal.SIGKILL
            return
        self.said = received[0]
        self.returncode = os.waitstatus_to_exitcode(self.said.get("status", 1 << 8))

    def kill(self) -> None:
        """Kill it and every descendant."""
        if self.returncode is None and self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until nothing is left of it, and let go of it."""
        if self._pidfd < 0:
            return
        try:
            if self.returncode is None:
                await self._until_dead()
                self.returncode = -signal.SIGKILL
        finally:
            handle, self._pidfd = self._pidfd, -1
            os.close(handle)
            self.answers.close()

    def let_go(self) -> None:
        """Kill it and let go of it at once, whether it is dead already or not."""
        self.kill()
        if self._pidfd >= 0:
            handle, self._pidfd = self._pidfd, -1
            os.close(handle)
            self.answers.close()

    async def _until_dead(self) -> None:
        if self._pidfd >= 0:
            await readable(self._pidfd)
