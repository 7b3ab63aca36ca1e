"""Control groups hold what processes use, stop and kill them together, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.sandboxes.contract import gone

from worktrial.errors import SandboxError
from worktrial.sandboxes.cgroups import Cgroups, probe, sweep
from worktrial.sandboxes.groups import Group, Limits
from worktrial.sandboxes.hierarchies import Found, Place, find

LIMITS = Limits(memory_mib=64, disk_mib=16, processes=12)


@pytest.fixture(params=["best", "version 1"])
def found(request: pytest.FixtureRequest) -> Found:
    """What this machine offers, and that without version 2, as older machines have it."""
    best = find()
    if request.param == "best":
        return best
    mounted = [Path("/sys/fs/cgroup", name) for name in ("memory", "pids", "freezer", "cpuacct")]
    if any(place.version == 1 for place in best.places) and all(os.access(path, os.W_OK) for path in mounted):
        jobs = ("memory", "pids", "freezer", "cpu")
        return Found(tuple(Place(path, 1, frozenset({job})) for path, job in zip(mounted, jobs, strict=True)))
    pytest.skip("the controllers of version 1 are not ours to use here")


@pytest.fixture
def cgroups(found: Found, tmp_path: Path) -> Iterator[Cgroups]:
    probed = probe(tmp_path / "records", found)
    if probed.cgroups is None or not {"memory", "pids", "cpu", "freezer"} <= probed.cgroups.jobs:
        pytest.skip(f"no control groups here: {probed.cause}")
    yield probed.cgroups
    probed.cgroups.close()


@pytest_asyncio.fixture
async def group(cgroups: Cgroups) -> AsyncIterator[Group]:
    made = cgroups.create(LIMITS)
    yield made
    await made.close()


class Child:
    """A process that waits to be told to begin, so that it can be put into a group first."""

    def __init__(self, script: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import os, sys, time\nsys.stdin.readline()\n{script}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def begin(self, group: Group) -> Child:
        group.add(self.process.pid)
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self

    def line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> int:
        with self.process:
            self.process.kill()
        return self.process.returncode


def folders_of(group: Group) -> list[str]:
    return [path for path in group.folders if Path(path).exists()]


async def test_a_process_and_what_it_starts_are_counted_with_what_they_use(group: Group) -> None:
    script = "x = bytearray(b'x' * 30_000_000); pid = os.fork()\nif pid: print(pid, flush=True)\ntime.sleep(60)"
    child = Child(script).begin(group)
    forked = int(child.line())
    used = group.usage()
    assert sorted(group.pids()) == sorted([child.process.pid, forked])
    assert used.processes == 2
    assert used.memory_bytes is not None
    assert 28_000_000 < used.memory_bytes < 64 * 2**20
    assert used.cpu_s is not None
    assert used.cpu_s > 0
    assert (used.oom_kills, used.refused_forks) == (0, 0)
    await group.kill()
    assert child.end() == -signal.SIGKILL
    assert await gone(lambda: Path(f"/proc/{forked}").exists())


async def test_memory_beyond_the_limit_ends_the_process_and_is_counted(group: Group) -> None:
    child = Child("x = bytearray(b'x' * 200_000_000); print('survived')").begin(group)
    assert child.process.wait(60) == -signal.SIGKILL
    child.end()
    assert group.usage().oom_kills == 1


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no /dev/shm to write to")
async def test_files_in_memory_count_apart_from_memory(group: Group) -> None:
    file = f"/dev/shm/worktrial-test-{os.getpid()}"
    script = f"open({file!r}, 'wb').write(b'x' * 30_000_000); x = b'x' * 20_000_000; print(1, flush=True); input()"
    child = Child(script).begin(group)
    try:
        assert child.line() == b"1"
        used = group.usage()
        assert used.files_bytes is not None
        assert used.memory_bytes is not None
        assert used.files_bytes > 28_000_000
        assert 18_000_000 < used.memory_bytes < 29_000_000
    finally:
        child.end()
        Path(file).unlink()


async def test_forks_beyond_the_limit_are_refused_and_counted(group: Group) -> None:
    script = """
refused = 0
for _ in range(20):
    try:
        if not os.fork():
            time.sleep(60)
    except OSError:
        refused += 1
print(refused, flush=True)
time.sleep(60)
"""
    child = Child(script).begin(group)
    assert child.line() == b"9"
    used = group.usage()
    assert (used.processes, used.refused_forks) == (12, 9)
    await group.kill()
    child.end()


async def test_limits_can_be_set_anew_upwards_and_downwards(group: Group) -> None:
    for memory_mib in (128, 32, 256):
        group.limit(Limits(memory_mib, 0, 20))
    child = Child("x = b'x' * 150_000_000; print('survived', flush=True); time.sleep(60)").begin(group)
    assert child.line() == b"survived"
    child.end()


async def test_frozen_processes_stand_still_until_they_are_thawed(group: Group) -> None:
    child = Child("while True:\n os.write(1, b'.'); time.sleep(0.001)").begin(group)
    assert child.process.stdout is not None
    output = child.process.stdout.fileno()
    assert os.read(output, 1) == b"."
    await group.freeze()
    os.set_blocking(output, False)
    while True:  # what it had written before
        try:
            os.read(output, 65536)
        except BlockingIOError:
            break
    await asyncio.sleep(0.1)
    with pytest.raises(BlockingIOError):
        os.read(output, 1)
    group.thaw()
    os.set_blocking(output, True)
    assert os.read(output, 1) == b"."
    child.end()


async def test_a_fork_bomb_is_killed_to_the_last_process(cgroups: Cgroups) -> None:
    group = cgroups.create(Limits(memory_mib=1024, disk_mib=0, processes=60))
    child = Child("while True:\n try:\n  os.fork()\n except OSError:\n  pass").begin(group)
    assert await gone(lambda: len(group.pids()) < 30)
    await group.kill()
    assert group.pids() == []
    child.end()
    await group.close()
    assert folders_of(group) == []


async def test_what_is_frozen_can_be_killed_and_closed(group: Group) -> None:
    child = Child("time.sleep(60)").begin(group)
    await group.freeze()
    await group.close()
    assert child.process.wait(10) == -signal.SIGKILL
    child.end()
    assert folders_of(group) == []
    group.thaw()
    await group.kill()
    await group.close()
    assert group.pids() == []


async def test_a_process_that_is_gone_cannot_be_added(group: Group) -> None:
    child = Child("")
    child.end()
    with pytest.raises(SandboxError, match="is gone"):
        group.add(child.process.pid)


OWNER = """
import pathlib, subprocess, sys, time
from worktrial.sandboxes.cgroups import probe
from worktrial.sandboxes.groups import Limits
from worktrial.sandboxes.hierarchies import Found, Place
import asyncio
named = [place.split("|") for place in sys.argv[2:]]
places = tuple(Place(pathlib.Path(folder), int(version), frozenset(jobs.split("+"))) for folder, version, jobs in named)
group = probe(pathlib.Path(sys.argv[1]), Found(places)).cgroups.create(Limits(64, 0, 9))
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
group.add(child.pid)
asyncio.run(group.freeze())
print(child.pid, *group.folders, flush=True)
sys.stdin.readline()
"""


def owner(records: Path, found: Found) -> tuple[subprocess.Popen[str], int, list[Path]]:
    """Start a worktrial of its own that has one group, with a frozen process in it."""
    places = [f"{place.folder}|{place.version}|{'+'.join(place.jobs)}" for place in found.places]
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(records), *places], stdin=-1, stdout=-1, text=True, start_new_session=True
    )
    assert process.stdout is not None
    pid, *folders = process.stdout.readline().split()
    return process, int(pid), [Path(folder) for folder in folders]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.usefixtures("cgroups")
async def test_the_groups_of_a_killed_owner_are_swept_and_those_of_a_living_one_are_not(
    found: Found, tmp_path: Path
) -> None:
    records = tmp_path / "others"
    process, pid, folders = owner(records, found)
    assert sweep(records) == 0
    assert running(pid)
    process.kill()
    process.wait()
    assert all(folder.is_dir() for folder in folders)
    assert sweep(records) == 1
    assert not any(folder.parent.exists() for folder in folders)
    assert await gone(lambda: running(pid))
    assert list(records.iterdir()) == []
    process.communicate()


@pytest.mark.usefixtures("cgroups")
def test_an_owner_that_ends_takes_its_groups_along(found: Found, tmp_path: Path) -> None:
    process, pid, folders = owner(tmp_path / "others", found)
    process.communicate("\n")
    assert not any(folder.parent.exists() for folder in folders)
    assert not running(pid)
    assert list((tmp_path / "others").iterdir()) == []


def test_a_fork_of_the_owner_that_ends_leaves_its_groups_alone(cgroups: Cgroups) -> None:
    group = cgroups.create(LIMITS)
    pid = os.fork()
    if not pid:
        cgroups.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert folders_of(group) == list(group.folders)


def test_where_groups_cannot_be_made_the_fallback_and_the_reason_are_told(tmp_path: Path) -> None:
    probed = probe(tmp_path / "records", Found((), "nothing is mounted", "mount something"))
    assert probed.cgroups is None
    assert probed.detail == (
        "memory, processes, processor time by rlimits and a look every tenth of a second; standby by SIGSTOP"
    )
    assert (probed.cause, probed.hint) == ("nothing is mounted", "mount something")


def test_a_folder_that_looks_like_a_group_and_is_none_does_not_work(tmp_path: Path) -> None:
    place = Place(tmp_path / "not cgroups", 1, frozenset({"memory"}))
    place.folder.mkdir()
    probed = probe(tmp_path / "records", Found((place,)))
    assert probed.cgroups is None
    assert probed.cause.startswith("control groups do not work: ")
