"""Handing the memory of processes that stand still back to the machine: to swap, page by page.

`process_madvise(MADV_PAGEOUT)` (Linux 5.10) takes those pages of another process that nobody shares with it. It needs
CAP_SYS_NICE; without that, a control group can be told to give up its memory instead. Without swap neither is done:
memory has nowhere to go, and pages of files go by themselves as soon as the kernel wants the room.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

Means = Literal["madvise", "group"]
"""How memory is handed back: process by process, or by a whole control group."""

_PROCESS_MADVISE = 440
"""The same on x86_64, aarch64 and all others: it came after they had been brought in line."""
_MADV_PAGEOUT = 21
_RANGES = 256
_STEP = 16 * 1024 * 1024
"""Bytes asked for at once: a process that is wanted again waits for no more than one step."""
_SMALL = 256 * 1024
"""Ranges up to this many bytes stay: stacks and the data of libraries are little, and the first to be wanted."""


class _Range(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("length", ctypes.c_size_t))


def probe(groups: bool) -> tuple[Means | None, str]:
    """Try which means works here, and say in words what standby does about memory.

    `groups`: whether control groups limit memory here. None: there is no means.
    """
    means: Means | None = "group" if groups else None
    cause = "this user may not page out other processes, and there are no control groups"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        handle = os.pidfd_open(child.pid)
        try:
            _advise(handle, [(0, 0)])
            means = "madvise"
        except OSError as error:
            cause = f"{cause} ({error.strerror})"
        finally:
            os.close(handle)
            child.kill()
    if means is None:
        return None, f"memory stays in standby: {cause}"
    if not _swap_bytes("SwapTotal"):
        return means, "memory stays in standby: this machine has no swap"
    return means, "memory goes to swap in standby"


def hand_back(pids: Iterable[int], wanted: Callable[[], bool]) -> None:
    """Page out processes that stand still, until `wanted` says that they are to go on.

    Blocks until all is written to swap, so call it in a thread. Does nothing while there is no room in swap.
    """
    for pid in pids:
        if wanted() or not swap_has_room():
            return
        with contextlib.suppress(OSError):  # gone, or not ours: then its memory is no loss, or stays
            page_out(pid, wanted)


def swap_has_room() -> bool:
    """Say whether there is swap left, at least one step of it."""
    return _swap_bytes("SwapFree") > _STEP


def page_out(pid: int, wanted: Callable[[], bool] = lambda: False) -> None:
    """Hand back the memory of one process, but for its small ranges. Raises `OSError`."""
    handle = os.pidfd_open(pid)
    try:
        ranges = parse_maps(Path(f"/proc/{pid}/maps").read_bytes())
        for batch in _batches((start, end) for start, end in ranges if end - start > _SMALL):
            if wanted():
                return
            _advise(handle, batch)
    finally:
        os.close(handle)


def parse_maps(maps: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each range in the text of `/proc/PID/maps` that may have pages to hand back."""
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        name = fields[5] if len(fields) > 5 else b""
        # Neither what cannot be read (it holds nothing) nor the kernel's own ([vdso], [vvar], [vsyscall]) nor devices.
        if not fields[1].startswith(b"---") and not name.startswith((b"[v", b"/dev/")):
            start, _, end = fields[0].partition(b"-")
            yield int(start, 16), int(end, 16)


def _batches(ranges: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield `ranges` in lists of at most `_STEP` bytes and `_RANGES` entries."""
    batch: list[tuple[int, int]] = []
    room = _STEP
    for start, end in ranges:
        at = start
        while at < end:
            size = min(end - at, room)
            batch.append((at, at + size))
            at, room = at + size, room - size
            if not room or len(batch) == _RANGES:
                yield batch
                batch, room = [], _STEP
    if batch:
        yield batch


def _advise(handle: int, batch: list[tuple[int, int]]) -> None:
    """Page out `batch` of the process behind the pidfd `handle`. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    left = batch
    while left:
        vector = (_Range * len(left))(*(_Range(start, end - start) for start, end in left))
        count, flags = ctypes.c_size_t(len(left)), ctypes.c_uint(0)
        done = libc.syscall(ctypes.c_long(_PROCESS_MADVISE), handle, vector, count, _MADV_PAGEOUT, flags)
        if done < 0 and ctypes.get_errno() not in (errno.EINVAL, errno.ENOMEM, errno.EAGAIN):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        left = _behind(left, max(done, 0))


def _behind(batch: list[tuple[int, int]], done: int) -> list[tuple[int, int]]:
    """Return what is left when `done` bytes were done and the range there could not be (locked or huge pages)."""
    for index, (start, end) in enumerate(batch):
        if done < end - start:
            return batch[index + 1 :]
        done -= end - start
    return []


def _swap_bytes(name: str) -> int:
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    return 0
