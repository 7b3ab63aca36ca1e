"""Cached folders: built once, whoever wants them, and never half."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from worktrial.errors import StorageError
from worktrial.store.cache import building, building_slowly, digest


def test_no_two_lists_of_parts_have_the_same_digest() -> None:
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("caf\udce9",), ("café",)]
    assert len({digest(*parts) for parts in lists}) == len(lists)
    assert digest("a") == digest(b"a")


def test_a_folder_is_filled_once_and_then_found(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "thing"
    with building(target) as part:
        assert part is not None
        (part / "file").write_text("x")
        assert not target.exists()
    assert (target / "file").read_text() == "x"
    with building(target) as again:
        assert again is None


def test_a_failure_leaves_nothing_that_could_be_used(tmp_path: Path) -> None:
    target = tmp_path / "thing"

    def fail() -> None:
        with building(target) as part:
            assert part is not None
            (part / "half").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]
    with building(target) as part:
        assert part is not None
        assert not list(part.iterdir())


async def test_tasks_that_want_the_same_folder_wait_for_one_that_builds_it(tmp_path: Path) -> None:
    built = []

    async def want() -> None:
        async with building_slowly(tmp_path / "thing") as part:
            if part is not None:
                built.append(part)
                await asyncio.sleep(0.1)
        assert (tmp_path / "thing").is_dir()

    await asyncio.gather(*(want() for _ in range(5)))
    assert len(built) == 1


async def test_a_cancelled_build_leaves_nothing_and_frees_the_way(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def build() -> None:
        async with building_slowly(tmp_path / "thing") as part:
            assert part is not None
            started.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(build())
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]
    async with asyncio.timeout(5):
        async with building_slowly(tmp_path / "thing") as part:
            assert part is not None


def test_what_a_killed_build_left_is_not_used_and_goes_with_the_next(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    script = f"""
import time
from pathlib import Path
from worktrial.store.cache import building
with building(Path({str(target)!r})) as part:
    (part / "half").write_text("x")
    print("there", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        os.kill(process.pid, signal.SIGKILL)
    (tmp_path / ".thing.finished.lock").touch()  # a neighbour's, which is left alone
    with building(target) as part:
        assert part is not None
        assert not list(part.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"thing", ".thing.lock", ".thing.finished.lock"}


def test_processes_build_a_folder_once(tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from worktrial.store.cache import building
with building(Path({str(tmp_path / "thing")!r})) as part:
    if part is not None:
        time.sleep(0.3)
        print("built")
"""
    processes = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(3)]
    assert sum(process.communicate()[0].count(b"built") for process in processes) == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not write"), building(tmp_path / "file" / "thing"):
        pass
    (tmp_path / ".thing.lock").mkdir()
    with pytest.raises(StorageError, match="could not write"), building(tmp_path / "thing"):
        pass
