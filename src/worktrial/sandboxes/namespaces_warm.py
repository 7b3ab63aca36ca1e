"""Warm interpreters: for commands with `Command.preload`, workers that have the modules and are isolated already.

Interpreters are kept per command line up to the script, modules, mounts and environment: two commands that could see a
difference never share one. Where a warm start fails for whatever reason, the command is started from nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import time
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worktrial.errors import SandboxError
from worktrial.sandboxes.inside import messages
from worktrial.sandboxes.namespaces_spawner import Answers, Cell, first_answer
from worktrial.sandboxes.protocol import Command

SOURCE = "/.worktrial"
"""Where the zygote's own code is, inside."""
_START = (
    f"import sys; sys.path.append({SOURCE!r}); from worktrial.sandboxes.inside import zygote; "
    f"sys.path.remove({SOURCE!r}); zygote.main(3, {{folder!r}})"
)
_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")
_MOST = 3
_IDLE_S = 120.0
_READY_TIMEOUT_S = 60.0
_AHEAD = 2
_REFILL_S = 0.05
"""A fork copies the tables of all memory there is, which is not to be in the way of the job that was just begun."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A command that is an interpreter and a script."""

    interpreter: tuple[str, ...]
    """With its options."""
    script: tuple[str, ...]
    """With its arguments."""

    def zygote(self) -> tuple[str, ...]:
        """Return the command line of an interpreter to keep warm for it."""
        folder = os.path.dirname(self.script[0])  # noqa: PTH120 - it is a path inside
        return (*self.interpreter, "-c", _START.format(folder=folder))


def call_of(argv: tuple[str, ...]) -> Call | None:
    """Take a command line apart; None when it is no absolute path of a script given to an interpreter."""
    at = 1
    while at < len(argv) and argv[at].startswith("-"):
        if not re.fullmatch(r"-[bBdEiIOPqRsSuvx]+|-[XW].+|-[XW]|--check-hash-based-pycs", argv[at]):
            return None  # -c, -m, standard input, or what does not run a script at all
        at += 2 if argv[at] in _WITH_VALUE else 1
    if at >= len(argv) or not argv[at].startswith("/"):
        return None
    return Call(argv[:at], argv[at:])


def key_of(command: Command, call: Call) -> tuple[Any, ...]:
    """Return what two commands must have in common to share an interpreter."""
    environment = tuple(sorted(command.env.items()))
    return call.interpreter, os.path.dirname(call.script[0]), command.preload, command.mounts, environment  # noqa: PTH120


Starter = Callable[[Command, Call, int], Awaitable[tuple[Cell, Callable[[], None]]]]
"""Starts a command's zygote with a socket as file descriptor 3; returns its cell and what to call at its end."""


@dataclass
class _Zygote:
    """An interpreter that was started, and the workers that it has ready."""

    cell: Cell
    control: Answers
    ended: Callable[[], None]
    workers: list[Answers] = field(default_factory=list)
    used_s: float = field(default_factory=time.monotonic)
    closed: bool = False

    def refill(self) -> None:
        """Ask for workers up to the number held ready."""
        while len(self.workers) < _AHEAD:
            ours, theirs = messages.pair()
            with theirs:
                self.workers.append(Answers(ours))
                self.control.send({}, (theirs.fileno(),))

    def refill_if_there(self) -> None:
        """Do the same unless it has ended, on whatever side."""
        with contextlib.suppress(OSError, SandboxError):
            if not self.closed:
                self.refill()

    def close(self) -> None:
        """End it and its workers that wait."""
        self.closed = True
        for worker in self.workers:
            worker.close()
        self.control.close()
        self.cell.kill()
        self.cell.let_go()
        self.ended()


class Warm:
    """The warm interpreters of a backend."""

    def __init__(self) -> None:
        self._zygotes: dict[tuple[Any, ...], _Zygote] = {}
        # By event loop: a backend may serve several one after the other, and a lock belongs to one for good.
        self._starting: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Any, ...], asyncio.Lock]] = (
            weakref.WeakKeyDictionary()
        )
        self._failed: set[tuple[Any, ...]] = set()
        weakref.finalize(self, _close_all, self._zygotes)

    async def worker(self, command: Command, start: Starter) -> tuple[Answers, int] | None:
        """Return a worker for a command, and its pidfd; None when the command has to be started from nothing."""
        call = call_of(command.argv)
        if call is None:
            return None
        key = key_of(command, call)
        if key in self._failed:
            return None
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                zygote = await self._zygote(key, command, call, start)
                if not zygote.workers:
                    zygote.refill()
                worker = zygote.workers.pop(0)
                try:
                    received = await worker.next()
                except BaseException:
                    worker.close()
                    raise
        except (SandboxError, OSError) as error:
            self._give_up(key, str(error))
            return None
        if received is None or "ready" not in received[0]:
            worker.close()
            self._give_up(key, str(received and received[0].get("error")))
            return None
        zygote.used_s = time.monotonic()
        asyncio.get_running_loop().call_later(_REFILL_S, zygote.refill_if_there)
        return worker, received[1][0]

    def _give_up(self, key: tuple[Any, ...], why: str) -> None:
        _log.debug("no warm interpreter for %s: %s", key[0], why)
        self._failed.add(key)
        if zygote := self._zygotes.pop(key, None):
            zygote.close()

    async def _zygote(self, key: tuple[Any, ...], command: Command, call: Call, start: Starter) -> _Zygote:
        starting = self._starting.setdefault(asyncio.get_running_loop(), {})
        async with starting.setdefault(key, asyncio.Lock()):
            if key not in self._zygotes:
                self._zygotes[key] = await _start(command, call, start)
                self.drop_idle()
        return self._zygotes[key]

    def drop_idle(self) -> None:
        """End interpreters that nobody has used for long, and the longest unused of too many."""
        oldest = sorted(self._zygotes, key=lambda key: self._zygotes[key].used_s)
        for number, key in enumerate(oldest, start=1):
            if len(oldest) - number >= _MOST or time.monotonic() - self._zygotes[key].used_s > _IDLE_S:
                self._zygotes.pop(key).close()


def _close_all(zygotes: dict[tuple[Any, ...], _Zygote]) -> None:
    while zygotes:
        zygotes.popitem()[1].close()


async def _start(command: Command, call: Call, start: Starter) -> _Zygote:
    ours, theirs = messages.pair()
    control = Answers(ours)
    try:
        with theirs:
            cell, ended = await start(command, call, theirs.fileno())
    except BaseException:
        control.close()
        raise
    made = _Zygote(cell, control, ended)
    try:
        control.send({"modules": list(command.preload)})
        await first_answer(control, "an interpreter could not be kept warm")
    except BaseException:
        made.close()
        raise
    return made


def host_pid(pidfd: int) -> int:
    """Return the process, as we number it, that a pidfd stands for; -1 when it has ended."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text("ascii").splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    return -1
