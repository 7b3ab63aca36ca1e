"""Agents that people talk to: in a terminal that is typed into and looked at, or line by line."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path


class Terminal:
    """A terminal of 160 by 50 characters, by tmux and a server of its own."""

    def __init__(self, folder: Path, argv: Iterable[str]) -> None:
        self._tmux = ("tmux", "-S", str(folder / "tmux"), "-f", "/dev/null")
        self._run("new-session", "-d", "-x", "160", "-y", "50", shlex.join(argv))
        self.shown: list[str] = []

    def screen(self) -> str:
        """Return what stands on it; empty once its program has ended."""
        return self._run("capture-pane", "-p", check=False)

    async def until(self, pattern: str, timeout_s: float = 120) -> str:
        """Wait until a pattern stands on the screen and the screen is still, and return it.

        Raises `TimeoutError`, with the screen.
        """
        until, before = time.monotonic() + timeout_s, ""
        while time.monotonic() < until:
            screen = self.screen()
            if screen == before and re.search(pattern, screen):
                self.shown.append(screen.rstrip() + "\n")
                return screen
            before = screen
            await asyncio.sleep(0.7)
        raise TimeoutError(f"{pattern!r} never came:\n{before}")

    async def say(self, line: str) -> None:
        """Type a line, and Enter."""
        self._run("send-keys", "-l", line)
        await asyncio.sleep(0.7)  # what comes all at once is taken for pasted, Enter included
        await self.press("Enter")

    async def press(self, *keys: str) -> None:
        """Press keys by tmux's names of them."""
        for key in keys:
            self._run("send-keys", key)
            await asyncio.sleep(0.3)

    async def closed(self, timeout_s: float = 60) -> None:
        """Wait until its program has ended. Raises `TimeoutError`."""
        for _ in range(int(timeout_s * 2)):
            if not self._run("list-sessions", check=False):
                return
            await asyncio.sleep(0.5)
        raise TimeoutError("the program goes on")

    def close(self) -> None:
        """End it and all that runs in it."""
        self._run("kill-server", check=False)

    def _run(self, *args: str, check: bool = True) -> str:
        done = subprocess.run([*self._tmux, *args], capture_output=True, text=True, check=check)
        return done.stdout


class Talk:
    """A program that asks for a line, answers, and asks for the next."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, argv: Iterable[str]) -> Talk:
        """Start it."""
        pipe = subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT))

    async def say(self, line: str) -> None:
        """Give it a line."""
        assert self._process.stdin
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def until(self, asks: str, timeout_s: float = 120) -> str:
        """Return what it says up to where it asks for a line, which is when it says no more after `asks`."""
        assert self._process.stdout
        said = b""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    async with asyncio.timeout(2):
                        piece = await self._process.stdout.read(65536)
                except TimeoutError:
                    if said.endswith(asks.encode()):
                        return said.decode("utf-8", "replace")
                    continue
                if not piece:
                    raise EOFError(said.decode("utf-8", "replace"))
                said += piece

    async def end(self) -> None:
        """Say no more, and wait until it has ended."""
        assert self._process.stdin
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 60)
