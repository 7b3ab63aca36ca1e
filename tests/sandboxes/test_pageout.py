"""Memory of other processes is handed back, and comes again as it was."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.sandboxes.pageout import _batches, _behind, hand_back, page_out, parse_maps, probe, swap_has_room

SIZE = 20_000_000
MAPS_A_FILE = """
import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file:
    data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
while True:
    print(hashlib.sha1(data).hexdigest(), flush=True)
    if not sys.stdin.readline():
        break
"""
HAS_MEMORY = """
import hashlib, os, sys
data = os.urandom(int(sys.argv[1]))
while True:
    print(hashlib.sha1(data).hexdigest(), flush=True)
    if not sys.stdin.readline():
        break
"""
Ranges = list[tuple[int, int]]
RANGES = st.lists(st.tuples(st.integers(0, 2**40), st.integers(1, 2**27)).map(lambda pair: (pair[0], sum(pair))))

needs_madvise = pytest.mark.skipif(probe(groups=False)[0] is None, reason=probe(groups=False)[1])


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


@contextlib.contextmanager
def started(script: str, argument: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that has said its first line, and leave nothing of it however the test ends."""
    with subprocess.Popen([sys.executable, "-c", script, argument], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@needs_madvise
def test_pages_of_a_file_go_and_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(os.urandom(SIZE))
    with started(MAPS_A_FILE, str(tmp_path / "data")) as process:
        said, before = ask(process), resident(process.pid)
        page_out(process.pid)
        assert resident(process.pid) < before - SIZE * 0.8
        assert ask(process) == said


@needs_madvise
def test_memory_goes_to_swap_and_comes_back() -> None:
    with started(HAS_MEMORY, str(SIZE)) as process:
        said, before, had_room = ask(process), resident(process.pid), swap_has_room()
        hand_back([process.pid], lambda: False)
        if not (had_room and swap_has_room()):  # others may switch it on and off at any time, a benchmark for one
            pytest.skip("no swap here: benchmarks/standby.py makes some and measures this")
        assert resident(process.pid) < before - SIZE * 0.8
        assert ask(process) == said


@needs_madvise
def test_nothing_is_handed_back_of_what_is_wanted_again() -> None:
    with started(HAS_MEMORY, str(SIZE)) as process:
        before = resident(process.pid)
        page_out(process.pid, lambda: True)
        hand_back([process.pid], lambda: True)
        assert resident(process.pid) >= before


def test_processes_that_are_gone_are_passed_over() -> None:
    with started(HAS_MEMORY, "1") as process:
        process.communicate()
        hand_back([process.pid], lambda: False)


def test_without_leave_to_page_out_the_words_say_that_memory_stays() -> None:
    means, words = probe(groups=False)
    if means is None:
        assert words.startswith("memory stays in standby: this user may not page out other processes")
    else:
        assert words in ("memory goes to swap in standby", "memory stays in standby: this machine has no swap")


def test_ranges_that_hold_nothing_or_are_the_kernel_s_are_left_out() -> None:
    maps = b"""\
00400000-00401000 r--p 00000000 fe:00 1 /usr/bin/a name
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
7f0000200000-7f0000300000 ---p 00000000 00:00 0
7f0000400000-7f0000500000 rw-s 00000000 00:05 1 /dev/dri/card0
7ffd00000000-7ffd00002000 rw-p 00000000 00:00 0 [stack]
7ffd00010000-7ffd00012000 r--p 00000000 00:00 0 [vvar]
7ffd00014000-7ffd00015000 r-xp 00000000 00:00 0 [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
"""
    assert list(parse_maps(maps)) == [
        (0x400000, 0x401000),
        (0x7F0000000000, 0x7F0000100000),
        (0x7FFD00000000, 0x7FFD00002000),
    ]


@given(RANGES)
def test_batches_cover_every_range_once_and_none_is_too_large(ranges: Ranges) -> None:
    batches = list(_batches(ranges))
    assert all(0 < sum(end - start for start, end in batch) <= 16 * 2**20 for batch in batches)
    assert all(len(batch) <= 256 for batch in batches)
    parts = [part for batch in batches for part in batch]
    at = iter(parts)
    for start, end in ranges:
        while start < end:
            part = next(at)
            assert part[0] == start
            start = part[1]  # noqa: PLW2901
        assert start == end
    assert next(at, None) is None


@given(RANGES, st.data())
def test_after_a_range_that_cannot_be_done_the_next_one_follows(ranges: Ranges, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, sum(end - start for start, end in ranges)))
    left = _behind(ranges, done)
    finished = ranges[: len(ranges) - len(left)]
    assert finished + left == ranges
    assert sum(end - start for start, end in finished) >= done
    assert sum(end - start for start, end in finished[:-1]) <= done
