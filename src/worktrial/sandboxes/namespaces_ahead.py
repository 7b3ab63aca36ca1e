"""Workspaces that are mounted before anybody asks for them: another of what was asked for last.

The one who grades or validates opens workspace after workspace over the same layers. So after the second of a kind
some more are ordered when there is a quiet moment, each with its control group and the cell of its first command, which
is shown what the first commands of the last two saw if that was the same. The answers lie in their sockets until
somebody opens one. Nobody has looked at one before, and overlayfs looks at its layers no earlier than that, so it shows
what a fresh mount would show. What could differ, which folders are the layers and the mounts, is compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.groups import Group
from worktrial.sandboxes.held import Holding, entrances
from worktrial.sandboxes.namespaces_orders import inside_workspace, open_order
from worktrial.sandboxes.namespaces_spawner import Answers, Spawner

_QUIET_S = 0.004
"""They are ordered so long after something was asked for: before, that would be in somebody's way."""
_IDLE_S = 30.0
_KINDS = 4
"""Remembered, of which those that were asked for last are held ready."""

_Seen = tuple[tuple[int, ...], ...]


class Kind:
    """Workspaces with the same layers and limits."""

    def __init__(self, layers: tuple[Path, ...], limits: TrialLimits) -> None:
        self.layers = layers
        self.limits = limits
        self.asked = 0
        """How often one was opened."""
        self.cheap = False
        """Whether it takes no more than a mount: where layers are copied, nothing is done ahead."""
        self.wants_cell = True
        """Whether the last one had use for a cell: where interpreters are kept warm there is none."""
        self.view: Mapping[str, Any] | None = None
        """What the first commands of the last two saw besides, if that was the same and lies outside of workspaces."""
        self._last_view: Mapping[str, Any] | None = None

    def tell(self, first_view: Mapping[str, Any] | None) -> None:
        """Learn what the first command in one that is closed now saw besides; None: it had no use for a cell."""
        self.wants_cell = first_view is not None
        same = first_view is not None and first_view == self._last_view and not inside_workspace(first_view)
        self.view = first_view if same else None
        self._last_view = first_view

    def look(self) -> _Seen | None:
        """Return which folders and files there are to be shown, and whose; None when one is not there."""
        mounts = self.view["mounts"] if self.view is not None else ()
        return _look((*self.layers, *filter(None, (mount["source"] for mount in mounts))))


class Ordered:
    """A workspace that was ordered; its answer may have come or not."""

    def __init__(
        self,
        handle: Answers,
        group: Group | None,
        kind: Kind,
        seen: _Seen | None,
        view: Mapping[str, Any] | None = None,
    ) -> None:
        self.handle = handle
        self.group = group
        """None: this machine has no groups, or the cell is not in one yet."""
        self.kind = kind
        self.seen = seen
        """What was to be shown; None: not all of it was there."""
        self.view = view
        """What its cell sees besides the workspace; None: it has not been told."""


class Ahead:
    """What a backend holds ready."""

    def __init__(self, spawner: Spawner, holding: Holding, most: int) -> None:
        """`most` is how many workspaces to hold ready; 0: none, each is made when it is asked for."""
        self._spawner = spawner
        self._holding = holding
        self._most = most
        self._kinds: dict[tuple[tuple[Path, ...], TrialLimits], Kind] = {}
        self._ready: list[Ordered] = []
        self._used_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        weakref.finalize(self, _close_all, self._ready)

    def kind(self, layers: tuple[Path, ...], limits: TrialLimits) -> Kind:
        """Return the kind of a workspace that is asked for now."""
        kind = self._kinds.pop((layers, limits), None) or Kind(layers, limits)
        self._kinds[layers, limits] = kind  # the last in the order
        while len(self._kinds) > _KINDS:
            self._kinds.pop(next(iter(self._kinds)))
        kind.asked += 1
        asyncio.get_running_loop().call_soon(self.touch)  # not now: somebody waits for a workspace
        return kind

    def take(self, kind: Kind) -> Ordered | None:
        """Return a workspace that was ordered ahead, if there is one and what it shows is what it was."""
        seen = None
        for ordered in [ordered for ordered in self._ready if ordered.kind is kind]:
            self._ready.remove(ordered)
            seen = seen or kind.look()
            if seen is not None and seen == ordered.seen and ordered.view == kind.view:
                return ordered
            _close(ordered)
        return None

    def order(self, kind: Kind) -> Ordered:
        """Order a workspace for one who waits for it: its group is made while the spawner is at it."""
        order = open_order(kind.layers, kind.limits.disk_mib, cell=kind.wants_cell)
        return Ordered(self._spawner.order(order), None, kind, None)

    def _order_ahead(self, kind: Kind) -> None:
        seen, view = kind.look(), kind.view
        if seen is None:
            return
        group = self._holding.group(kind.limits)
        try:
            with entrances(group) as handles:
                order = open_order(kind.layers, kind.limits.disk_mib, cell=kind.wants_cell, ahead=True, view=view)
                handle = self._spawner.order(order, handles)
        except BaseException:
            if group is not None:
                group.remove_later()
            raise
        self._ready.append(Ordered(handle, group, kind, seen, view))

    def touch(self) -> None:
        """Say that something was asked for or given back: what is lacking is ordered after that."""
        self._used_s = time.monotonic()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer = loop, None
        if self._most and (self._timer is None or self._timer.when() > loop.time() + _QUIET_S):
            self._set_timer(_QUIET_S)

    def _set_timer(self, after_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None:
            self._timer = self._loop.call_later(after_s, _tick, weakref.ref(self))

    def tick(self) -> None:
        """Order one that is lacking, or let go of all when nobody has used any for long."""
        self._timer = None
        quiet_s = time.monotonic() - self._used_s
        wanted = next((kind for kind in reversed(self._kinds.values()) if kind.asked > 1 and kind.cheap), None)
        if quiet_s >= _IDLE_S:
            _close_all(self._ready)
        elif quiet_s < _QUIET_S:
            self._set_timer(_QUIET_S - quiet_s)
        elif wanted is not None and sum(ordered.kind is wanted for ordered in self._ready) < self._most:
            if len(self._ready) >= self._most:
                _close(self._ready.pop(0))
            with contextlib.suppress(SandboxError):  # who asks for one is told
                self._order_ahead(wanted)
                self._set_timer(_QUIET_S)
        elif self._ready:
            for ordered in self._ready:
                ordered.handle.hear()
            self._set_timer(_IDLE_S)


def _tick(ahead: weakref.ref[Ahead]) -> None:
    """Let a timer not be what keeps a backend alive."""
    if (found := ahead()) is not None:
        found.tick()


def _close(ordered: Ordered) -> None:
    ordered.handle.close()
    if ordered.group is not None:
        ordered.group.remove_later()


def _close_all(ready: list[Ordered]) -> None:
    while ready:
        _close(ready.pop())


def _look(paths: Iterable[Path | str]) -> _Seen | None:
    try:
        found = [os.stat(path) for path in paths]  # noqa: PTH116 - on the way of every sandbox
    except OSError:
        return None
    return tuple((each.st_dev, each.st_ino, each.st_mode, each.st_uid, each.st_ctime_ns) for each in found)
