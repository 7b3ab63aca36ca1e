"""The containers of a workspace, as standby sees them: frozen by the tool, their memory handed back by us."""

from __future__ import annotations

from collections.abc import Callable

from worktrial.errors import SandboxError
from worktrial.sandboxes import pageout
from worktrial.sandboxes.oci.client import Client
from worktrial.sandboxes.standby import SignalSleeper
from worktrial.sandboxes.usage import descendants


class ContainersSleeper:
    """Containers by name, with the process that each is on this machine."""

    def __init__(self, client: Client, means: pageout.Means | None) -> None:
        """`means` is how memory can be handed back; None: not at all."""
        self._client = client
        self._means = means
        self._running: dict[str, int] = {}
        self._paused: set[str] = set()
        self._used = SignalSleeper(self._pids, means)

    async def add(self, name: str) -> None:
        """Look after a container; one that has ended needs that no more. Raises `SandboxError`."""
        try:
            self._running[name] = int(await self._client.call("inspect", "--format", "{{.State.Pid}}", name))
        except SandboxError:
            if await self._runs(name):
                raise

    def discard(self, name: str) -> None:
        """Look after it no more."""
        self._running.pop(name, None)

    def _pids(self) -> list[int]:
        # 0: it has just ended. A daemon in a virtual machine tells ids that are nobody's here, or somebody else's.
        return [found for pid in self._running.values() if pid > 1 for found in descendants(pid)]

    async def freeze(self) -> None:
        """Pause them; one that ended meanwhile is no failure."""
        if names := self._running.keys() - self._paused:
            try:
                await self._client.call("pause", *names)
                self._paused |= names
            except SandboxError:
                for name in names:
                    await self._pause_alone(name)

    async def _pause_alone(self, name: str) -> None:
        """Pause one, after not all could be paused at once: it may be already, or have ended."""
        if not await self._is_paused(name):
            try:
                await self._client.call("pause", name)
            except SandboxError:
                if await self._runs(name):
                    raise
                return
        self._paused.add(name)

    async def thaw(self) -> None:
        """Let them go on; one that ended meanwhile is no failure."""
        paused, self._paused = self._paused, set()
        for name in paused & self._running.keys():
            try:
                await self._client.call("unpause", name)
            except SandboxError:
                if await self._is_paused(name):
                    raise

    async def _runs(self, name: str) -> bool:
        return bool((await self._client.call("ps", "--quiet", "--filter", f"name={name}")).strip())

    async def _is_paused(self, name: str) -> bool:
        try:
            return (await self._client.call("inspect", "--format", "{{.State.Paused}}", name)).strip() == b"true"
        except SandboxError:
            return False

    def hand_back(self, wanted: Callable[[], bool]) -> None:
        """Page out process by process, which only works for processes of this machine."""
        if self._means == "madvise":
            pageout.hand_back(self._pids(), wanted)

    def cpu_s(self) -> float | None:
        """Return what their processes have used."""
        return self._used.cpu_s()
