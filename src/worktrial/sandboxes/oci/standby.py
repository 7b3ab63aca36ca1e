"""When a workspace that nobody asks anything is frozen, and that the next call resumes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from worktrial.errors import SandboxError


class Standby:
    """Freezes after some seconds without a call, and thaws before the next one."""

    def __init__(self, after_s: float, freeze: Callable[[], Awaitable[bool]], thaw: Callable[[], Awaitable[None]]) -> None:
        """`freeze` returns whether there was anything to freeze; `after_s` of 0 means that only we are asked to."""
        self._after_s = after_s
        self._freeze = freeze
        self._thaw = thaw
        self._calls = 0
        self._frozen = False
        self._turn = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Thaw, and stay so for as long as this lasts."""
        self._calls += 1
        self.stop()
        try:
            await self.leave()
            yield
        finally:
            self._calls -= 1
            if not self._calls and self._after_s:
                self._timer = asyncio.create_task(self._later())

    async def enter(self) -> None:
        """Freeze now."""
        async with self._turn:
            self._frozen = self._frozen or await self._freeze()

    async def leave(self) -> None:
        """Thaw now."""
        async with self._turn:
            if self._frozen:
                await self._thaw()
                self._frozen = False

    def stop(self) -> None:
        """Freeze no more by ourselves until the next call has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _later(self) -> None:
        await asyncio.sleep(self._after_s)
        with contextlib.suppress(SandboxError):  # what cannot be frozen goes on: it costs memory, nothing else
            await self.enter()
