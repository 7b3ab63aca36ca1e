"""Isolation by Linux namespaces: unprivileged, no daemon, a millisecond or two a command.

A small process of our own, the spawner, lives in user and mount namespaces of its own (`inside/spawner.py`). In them
it mounts workspaces: overlays whose upper side is a size-limited tmpfs. Each command runs in a cell (`inside/cell.py`):
further pid, mount, net, ipc and uts namespaces with a read-only root of the host's `/usr`, made ahead when there is
time, and for the command itself one more user namespace that owns nothing. When we end, however we do, so does the
spawner, and with it mounts, files and processes: there is nothing to clean up.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.held import Holding
from worktrial.sandboxes.namespaces_ahead import Ahead, Ordered
from worktrial.sandboxes.namespaces_orders import job_of, open_order
from worktrial.sandboxes.namespaces_spawner import Spawner, Waiting, first_answer
from worktrial.sandboxes.namespaces_warm import Warm
from worktrial.sandboxes.namespaces_workspace import TIER, Engine, Mounted, Opened
from worktrial.sandboxes.owner import sandbox_uid
from worktrial.sandboxes.protocol import Command, Workspace

_TRY_TIMEOUT_S = 60.0
_NOT_RUN = "could not run a command in namespaces"


class Namespaces:
    """Sandboxes made of namespaces, by system calls of our own."""

    tier = TIER

    def __init__(self, pool: int | None = None, *, groups: bool = True) -> None:
        """`pool` is how many cells and workspaces are held ready, None: as many as fit this machine.

        With `groups` of False control groups are left alone, as where there are none.
        """
        pool = min(8, max(2, os.cpu_count() or 2)) if pool is None else pool
        self._spawner = Spawner(pool)
        uid = sandbox_uid()
        who = f"user {uid} of the host" if uid else "root of the host without its capabilities"
        self._holding = Holding(groups=groups)
        self._engine = Engine(self._spawner, Warm(), self._holding)
        self._ahead = Ahead(self._spawner, self._holding, pool)
        self.detail = f"namespaces by our own system calls; {who}; {self._holding.detail}"

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Mount a fresh workspace over `layers`. Raises `SandboxError`."""
        kind = self._ahead.kind(layers, limits)
        ordered = self._ahead.take(kind)
        if ordered is not None:
            with contextlib.suppress(SandboxError):  # that it could not be made then says nothing about now
                return await self._opened(ordered)
        return await self._opened(self._ahead.order(kind))

    async def _opened(self, ordered: Ordered) -> Workspace:
        group = ordered.group
        try:
            answer, handles = await first_answer(ordered.handle, "could not mount a workspace")
        except BaseException:
            if group is not None:
                group.remove_later()
            raise
        ordered.kind.cheap = answer.get("at_once", False)
        waiting = Waiting(answer["pid"], *handles) if handles else None
        try:
            if group is None:
                group = self._holding.group(ordered.kind.limits)  # not before: the spawner would wait for the processor
        except BaseException:
            if waiting is not None:
                waiting.close()
            ordered.handle.close()
            raise
        in_group = ordered.group is not None
        opened = Opened(ordered.handle, answer["workspace"], group, waiting, in_group=in_group, view=ordered.view)
        return Mounted(self._engine, opened, ordered.kind.limits, ordered.kind.tell)

    @property
    def spawner(self) -> Spawner:
        """What makes the sandboxes, for those who look into it."""
        return self._spawner


def try_once() -> None:
    """Run a command in a sandbox, where no event loop is to be had. Raises `SandboxError` saying what fails."""
    spawner = Spawner(pool=0)
    with contextlib.closing(spawner.order(open_order((), 1, cell=True))) as handle:
        answer, handles = handle.expect("could not mount a workspace")
        waiting = Waiting(answer["pid"], *handles)
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            cell = waiting.begin(job_of(Command(("true",), _TRY_TIMEOUT_S), TrialLimits(disk_mib=1)), (nothing,) * 3)
        finally:
            os.close(nothing)
        if cell is None:
            raise SandboxError(_NOT_RUN, cause="its sandbox was killed")
        try:
            ended, _ = cell.answers.expect(_NOT_RUN)
        finally:
            cell.let_go()
    if ended["status"]:
        raise SandboxError(_NOT_RUN, cause=ended.get("cause", f"true ended with {ended['status']}"))
