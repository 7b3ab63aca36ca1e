"""What processes use, as the kernel lists it in /proc."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Used:
    """What a process and its descendants use together."""

    processes: int
    resident_bytes: int
    cpu_s: float
    """Their own, and that of those which have ended and were waited for."""


def used_by(pid: int) -> Used:
    """Add up what a process and all its living descendants use."""
    pids = descendants(pid)
    resident, ticks = 0, 0
    for each in pids:
        try:
            with open(f"/proc/{each}/stat", "rb") as file:  # noqa: PTH123 - a hot loop over /proc
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
        resident += int(fields[21]) * _PAGE
    return Used(len(pids), resident, ticks / _TICKS)


def descendants(pid: int) -> list[int]:
    """Return the ids of a process and all its living descendants, as the kernel lists them."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208 - a hot loop over /proc
                with open(f"/proc/{parent}/task/{task}/children", "rb") as children:  # noqa: PTH123
                    found += map(int, children.read().split())
        except OSError:
            continue  # it ended while we looked
    return found


def marked(marker: str) -> list[int]:
    """Return the ids of the processes that were started with `marker` in their environment, but for this one."""
    wanted = os.fsencode(marker)
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - a hot loop over /proc
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as variables:  # noqa: PTH123
                if wanted in variables.read().split(b"\0"):
                    found.append(int(name))
    return found
