"""Requests a minute to an upstream, shared fairly between trials."""

from __future__ import annotations

import asyncio
from collections import deque

_BURST_S = 1.0
"""Seconds of the rate that may go out at once after a pause."""


class Pace:
    """Lets requests through at a steady rate; when more come than may go, trials take turns, whoever asks how much.

    A bucket of `per_minute / 60` tokens a second that holds one second of them, but at least one.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._per_s = None if per_minute is None else per_minute / 60
        self._room = 1.0 if self._per_s is None else max(1.0, self._per_s * _BURST_S)
        self._tokens = self._room
        self._filled_at = 0.0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Requests of each trial, oldest first; the trial whose turn it is comes first."""
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, trial: str) -> None:
        """Wait until a request of this trial may go."""
        if self._per_s is None:
            return
        loop = asyncio.get_running_loop()
        self._fill(loop.time())
        if self._tokens >= 1 and not self._waiting:
            self._tokens -= 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(trial, deque()).append(turn)
        self._plan(loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._tokens += 1  # its turn had come: somebody else may have it
            self._forget(trial, turn)
            raise

    def _fill(self, now: float) -> None:
        if self._per_s is not None:
            self._tokens = min(self._room, self._tokens + (now - self._filled_at) * self._per_s)
            self._filled_at = now

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._waiting and self._per_s is not None:
            self._timer = loop.call_later(max(0.0, (1 - self._tokens) / self._per_s), self._let_go, loop)

    def _let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next requests go, one trial after the other."""
        self._timer = None
        self._fill(loop.time())
        while self._tokens >= 1 - 1e-9 and self._waiting:
            trial = next(iter(self._waiting))
            queue = self._waiting.pop(trial)
            turn = queue.popleft()
            if queue:
                self._waiting[trial] = queue  # to the end of the line
            if not turn.done():
                turn.set_result(None)
                self._tokens -= 1
        self._plan(loop)

    def _forget(self, trial: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(trial)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[trial]
