"""Very many sandboxes, at once and one after the other, leave nothing behind.

Small here, so that it can run with the rest; `make soak` runs it at full size.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.sandboxes.contract import gone, shell

from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Command
from worktrial.sandboxes.select import probe_namespaces
from worktrial.sandboxes.usage import descendants

PROBE = probe_namespaces()
FULL = os.environ.get("WORKTRIAL_SOAK") == "full"
AT_ONCE, IN_A_ROW, WARM_UP = (500, 10_000, 5) if FULL else (16, 60, 3)
LIMITS = TrialLimits(memory_mib=64, disk_mib=8, processes=16, standby_s=1.0)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROBE.works, reason=f"no namespaces here: {PROBE.cause}"),
    pytest.mark.timeout(3600 if FULL else 300),
]


@dataclass(frozen=True)
class Place:
    """Where a test leaves its traces, and what there was before it."""

    cache: Path
    others: frozenset[int]
    """Our children that are none of this test's: a docker daemon that other tests share, for one."""

    def keepers(self) -> list[int]:
        """Return the processes that sandboxes of this test are kept by."""
        theirs = {pid for other in self.others for pid in descendants(other)}
        return [pid for pid in descendants(os.getpid())[1:] if pid not in theirs]


def mounts(pid: int | str, of: str = "") -> int:
    """Count the mounts that a process sees; those only that name the path `of`."""
    try:
        return sum(of in line for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    except OSError:  # it ended while we looked, or waits to be reaped: it is counted as a process
        return 0


def handles(pid: int | str) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    except OSError:
        return 0


def group_folders(sandbox: Namespaces) -> int:
    cgroups = sandbox._holding._cgroups
    if cgroups is None:
        return 0
    return sum(len([entry for entry in os.scandir(folder) if entry.is_dir()]) for _, folder in cgroups._places)


def counts(sandbox: Namespaces, place: Place) -> dict[str, int]:
    """Count all that a sandbox could leave: here, and in the processes that keep sandboxes."""
    gc.collect()
    keepers = place.keepers()
    return {
        "our mounts": mounts("self", str(place.cache)),  # others on this machine mount what they want
        "our files": handles("self"),
        "their mounts, at most": max(map(mounts, keepers), default=0),
        "their files": sum(map(handles, keepers)),
        "processes": len(keepers),
        "groups": group_folders(sandbox),
        "files in the cache": sum(len(names) + len(folders) for _, folders, names in os.walk(place.cache)),
    }


def most(first: dict[str, int], later: dict[str, int]) -> dict[str, int]:
    return {name: max(first[name], later[name]) for name in first}


async def at_rest(sandbox: Namespaces, place: Place) -> dict[str, int]:
    """Count when all that is held ready has come, and nothing has come or gone for a second."""

    def unheard() -> bool:
        for ordered in sandbox._ahead._ready:
            ordered.handle.hear()
        return any(ordered.handle._heard is None for ordered in sandbox._ahead._ready)

    assert await gone(unheard, 30)
    seen = [counts(sandbox, place)]
    while len(seen) < 10 or any(each != seen[-1] for each in seen[-10:]):
        assert len(seen) < 300, "it does not come to rest"
        await asyncio.sleep(0.1)
        seen.append(counts(sandbox, place))
    return seen[-1]


async def settled(sandbox: Namespaces, place: Place, at_most: dict[str, int]) -> dict[str, Any]:
    """Return what there is more of than `at_most`, when that has had time to go."""

    def more() -> dict[str, int]:
        return {name: count for name, count in counts(sandbox, place).items() if count > at_most[name]}

    await gone(lambda: bool(more()), 30)
    return more()


async def in_parallel(number: int, at_once: int, do: Callable[[int], Any]) -> None:
    """Do something `number` times, `at_once` at a time."""
    left = iter(range(number))

    async def worker() -> None:
        for each in left:
            await do(each)

    await asyncio.gather(*(worker() for _ in range(at_once)))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("WORKTRIAL_CACHE", str(tmp_path / "cache"))
    return Place(tmp_path / "cache", frozenset(descendants(os.getpid())[1:]))


async def warmed_up(sandbox: Namespaces, place: Place) -> dict[str, int]:
    """Use the sandbox until all that it keeps ready is there, and return what that is."""

    async def once(_: int) -> None:
        workspace = await sandbox.open((), LIMITS)
        await workspace.run(Command(("true",), 60))
        await workspace.close()

    seen = counts(sandbox, place)
    # While a workspace is open the pool is filled; what it holds then stays.
    keep = await sandbox.open((), LIMITS)
    for _ in range(WARM_UP):
        await in_parallel(20, 4, once)
        seen = most(seen, await at_rest(sandbox, place))
    await keep.close()
    assert seen["processes"], "what keeps the sandboxes is not seen here, and so neither is what they leave"
    return seen


@pytest.mark.parametrize("groups", [True, False], ids=["groups", "no groups"])
async def test_many_live_processes_in_standby_at_once_all_resume_and_go(place: Place, groups: bool) -> None:
    sandbox = Namespaces(groups=groups)
    before = await warmed_up(sandbox, place)
    opened: list[tuple[Any, Any]] = []

    async def open_one(_: int) -> None:
        workspace = await sandbox.open((), LIMITS)
        opened.append((workspace, await workspace.start(shell("exec cat", 3600))))

    async def ask(number: int) -> None:
        _, process = opened[number]
        await process.send(b"%d\n" % number)
        assert await process.receive() == b"%d\n" % number

    await in_parallel(AT_ONCE, 8, open_one)
    await in_parallel(AT_ONCE, 8, ask)
    assert await gone(lambda: not all(workspace._held.watch.asleep for workspace, _ in opened), 120)
    await in_parallel(AT_ONCE, 8, ask)
    assert await gone(lambda: not all(workspace._held.watch.asleep for workspace, _ in opened), 120)
    await in_parallel(AT_ONCE, 8, lambda number: opened[number][0].close())
    opened.clear()
    assert await settled(sandbox, place, before) == {}


@pytest.mark.parametrize("groups", [True, False], ids=["groups", "no groups"])
async def test_very_many_in_a_row_leave_nothing(place: Place, groups: bool) -> None:
    sandbox = Namespaces(groups=groups)
    before = await warmed_up(sandbox, place)

    async def cycle(number: int) -> None:
        workspace = await sandbox.open((), LIMITS)
        await workspace.write("file", b"x" * 1000)
        done = await workspace.run(shell("cat file | wc -c; (setsid sleep 600 &)", report=number % 2 == 0))
        assert done.output == b"1000\n"
        if number % 5 == 0:
            await workspace.start(shell("exec cat", 600))
            await workspace.standby()
        await workspace.close()

    await in_parallel(IN_A_ROW, 3, cycle)
    assert await settled(sandbox, place, before) == {}
