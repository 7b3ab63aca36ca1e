"""How the processes of one workspace are held: a control group for limits, where there are such, and standby."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Callable, Iterator

from worktrial.errors import SandboxError
from worktrial.formats.evidence import Ended
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes import pageout
from worktrial.sandboxes.cgroups import Probe, probe
from worktrial.sandboxes.groups import Group, Limits
from worktrial.sandboxes.process import Bounds, Child, Polling
from worktrial.sandboxes.standby import GroupSleeper, SignalSleeper, Sleeper, Standby, Watch
from worktrial.sandboxes.usage import Used, used_by

_MIB = 1024 * 1024
_NO_GROUPS = Probe(None, "memory, processes, processor time by rlimits and polling; standby by SIGSTOP")


class Holding:
    """What this machine offers to hold processes, tried once for a backend and all its workspaces."""

    def __init__(self, *, groups: bool = True) -> None:
        """With `groups` of False control groups are left alone, as where there are none. Raises `StorageError`."""
        probed = probe() if groups else _NO_GROUPS
        self._cgroups = probed.cgroups
        self._means, words = pageout.probe(probed.cgroups is not None and "memory" in probed.cgroups.jobs)
        self._standby = Standby()
        self.detail = f"{probed.detail}; {words}"
        """Who enforces which limit, and what standby does, in words."""

    def group(self, limits: TrialLimits) -> Group | None:
        """Make a group for the processes of a workspace; None where there are none. Raises `SandboxError`."""
        if self._cgroups is None:
            return None
        # One more: the first process of a cell is in it too.
        return self._cgroups.create(Limits(limits.memory_mib, limits.disk_mib, limits.processes + 1))

    def hold(self, group: Group | None, limits: TrialLimits, pids: Callable[[], list[int]]) -> Held:
        """Look after the processes of a workspace, which go to `group` if there is one, and its standby.

        `pids` returns, as ids of the host, all processes to be stopped where there is no group. Call it in the event
        loop.
        """
        sleeper: Sleeper = SignalSleeper(pids, self._means)
        if group is not None and group.dies_frozen:
            sleeper = GroupSleeper(group, self._means)
        return Held(group, self._standby.watch(sleeper, limits.standby_s))


class Held:
    """The processes of one workspace."""

    def __init__(self, group: Group | None, watch: Watch) -> None:
        self.group = group
        """None: this machine has no groups."""
        self.watch = watch
        self.gauges: weakref.WeakSet[GroupGauge] = weakref.WeakSet()
        """Of the commands that run."""
        self._closed = False

    def gauge(self) -> GroupGauge | PollingGauge:
        """Return what looks after one command's limits, from before it starts.

        Raises `SandboxError` when this was closed.
        """
        if self._closed:
            raise SandboxError("the workspace is closed")
        if self.group is None or not self.group.limits_all:
            return PollingGauge(self.watch)
        try:
            return GroupGauge(self, self.group)
        except OSError as error:
            raise SandboxError("the workspace is closed", cause=str(error)) from error

    async def close(self, *, empty: bool = False) -> None:
        """Kill all that is left and let go of the group, which is removed a little later. Raises `SandboxError`.

        `empty` says that nothing is known to be left: what is, all the same, is killed when the group is removed.
        """
        self._closed = True
        await self.watch.close()
        if self.group is not None:
            if not empty:
                await self.group.kill()
            self.group.remove_later()


@contextlib.contextmanager
def entrances(group: Group | None) -> Iterator[list[int]]:
    """Open the files through which a process enters a group: its id, or 0 for itself, is written to each.

    Raises `SandboxError` when it was closed.
    """
    with contextlib.ExitStack() as stack:
        handles = []
        for path in group.folders if group else ():
            try:
                handle = os.open(f"{path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            except OSError as error:
                raise SandboxError("the workspace is closed", cause=str(error)) from error
            stack.callback(os.close, handle)
            handles.append(handle)
        yield handles


class GroupGauge:
    """Tells by its group whether a command is beyond its limits.

    The group is the whole workspace's. When it is beyond one, that is put down to a command that uses at least its
    share, which with one command is that one; until it has ended, nothing is put down to others.
    """

    def __init__(self, held: Held, group: Group) -> None:
        self.pid = 0
        """Of the command's first process, on the host; to be set as soon as it is known."""
        self.blamed = False
        self._held = held
        self._group = group
        self._before = (0, 0) if group.unused else group.events()
        group.unused = False
        held.gauges.add(self)

    def beyond(self, child: Child, bounds: Bounds) -> Ended | None:
        """Return what limit is exceeded now, if one is."""
        if any(gauge.blamed for gauge in self._held.gauges):
            return None
        try:
            used = self._group.usage()
        except OSError:
            return None  # the workspace is being closed
        kills, refused = self._before
        why: Ended | None = None
        if (used.refused_forks or 0) > refused:
            why = "process_flood" if self._has_its_share(lambda used: used.processes) else None
        elif (used.oom_kills or 0) > kills or (used.memory_bytes or 0) > bounds.memory_mib * _MIB:
            why = "out_of_memory" if self._has_its_share(lambda used: used.resident_bytes) else None
        # The group's time is that of all commands so far: only beyond that is a closer look needed.
        elif (used.cpu_s is None or used.cpu_s >= bounds.cpu_s) and used_by(child.pid).cpu_s >= bounds.cpu_s:
            why = "cpu_exhausted"
        self.blamed = why is not None
        return why

    def ended(self, failed: bool) -> Ended | None:
        """Return the limit that was met meanwhile, if one was: what made a command fail that did.

        It has answered for that, so that others need not.
        """
        self._held.gauges.discard(self)
        if not failed and not self._held.gauges:
            return None
        with contextlib.suppress(OSError):
            now = self._group.events()
            for gauge in self._held.gauges:
                gauge._before = now
            if now[0] > self._before[0]:
                return "out_of_memory"
            if now[1] > self._before[1]:
                return "process_flood"
        return None

    def asleep(self) -> bool:
        """Say whether the workspace is in standby."""
        return self._held.watch.asleep

    def _has_its_share(self, of: Callable[[Used], int]) -> bool:
        """Say whether the command uses at least as much as the commands that run do on average."""
        all_use = {gauge: of(used_by(gauge.pid)) for gauge in self._held.gauges if gauge.pid}
        return all_use.get(self, 0) * len(all_use) >= sum(all_use.values())


class PollingGauge(Polling):
    """Tells by what /proc lists, as long as there is anything to see."""

    def __init__(self, watch: Watch) -> None:
        self.pid = 0
        self._watch = watch

    def asleep(self) -> bool:
        """Say whether the workspace is in standby."""
        return self._watch.asleep
