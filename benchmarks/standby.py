"""Standby of one process with 500 MB in memory: how long it takes to its first answer, and how much memory goes back.

Without swap nothing can go back, so as root a swap file is made for as long as the benchmark runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from worktrial.sandboxes import pageout
from worktrial.sandboxes.cgroups import probe
from worktrial.sandboxes.groups import Group, Limits
from worktrial.sandboxes.standby import GroupSleeper, SignalSleeper, Sleeper, Standby, Watch

RESIDENT_MB = 500
SERVER = """
import os, random, socket, sys
server = socket.socket(fileno=int(sys.argv[1]))
data = bytearray(os.urandom(int(sys.argv[2])))  # nothing that compresses
while asked := server.recv(8):
    if asked == b"all":
        answer = sum(data[::4096])
    else:  # as a server looks up what it was asked for: sixteen places, anywhere
        answer = sum(data[random.randrange(len(data))] for _ in range(16))
    server.send(str(answer).encode())
"""

_KEEP_SWAP = """
trap "" INT TERM HUP
drop() {
    for _ in $(seq 300); do
        grep -q "^$1 " /proc/swaps || break
        swapoff "$1" && break || sleep 0.1  # it can fail while memory of an ending process is let go of
    done
    grep -q "^$1 " /proc/swaps && echo "swap is still on: swapoff $1" || rm -f "$1"
}
trap 'drop "$1" >&2' EXIT
fallocate -l 2G "$1" && chmod 600 "$1" && mkswap -q "$1" && swapon "$1" && echo on && cat
"""


def main() -> None:
    """Measure thawing alone, then standby with memory handed back, each with all memory touched before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", help="not used")
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder, swap(Path(folder)) as why_not:
        print(json.dumps(asyncio.run(measure(given.rounds, why_not))))


@contextlib.contextmanager
def swap(folder: Path) -> Iterator[str]:
    """Have swap while the block runs; yields why there is none, or nothing."""
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        yield ""
        return
    with subprocess.Popen(
        ["sh", "-c", _KEEP_SWAP, "sh", str(folder / "swap")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as keeper:
        if keeper.stdin is None or keeper.stdout is None:
            raise AssertionError("the keeper was started with pipes")
        said = keeper.stdout.readline().strip() or "see above"
        try:
            yield "" if said == "on" else f"no swap to hand memory back to: {said}"
        finally:
            keeper.stdin.close()  # and so it ends when we are killed
            keeper.wait()


async def measure(rounds: int, why_not: str) -> dict[str, float | str | None]:
    """Return the figures; those of memory handed back are None, with the reason, where there is no swap."""
    found = probe()
    print(found.detail)
    means, words = pageout.probe(found.cgroups is not None)
    print(words)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = start(theirs)
    group: Group | None = None
    if found.cgroups and "freezer" in found.cgroups.jobs:
        group = found.cgroups.create(Limits(memory_mib=2048, disk_mib=0, processes=16))
        group.add(server.pid)
    try:
        ask(ours, b"all")
        only_thaw = await answers(server.pid, ours, sleeper(group, server.pid, None), rounds)
        back = None if why_not else await answers(server.pid, ours, sleeper(group, server.pid, means), rounds)
    finally:
        ours.close()
        server.kill()
        server.wait()
        if group is not None:
            await group.close()
    return {
        "resume_ms_p50": p50(back.ms) if back else None,
        "resume_ms_p95": p95(back.ms) if back else None,
        "thaw_ms_p50": p50(only_thaw.ms),
        "thaw_ms_p95": p95(only_thaw.ms),
        "standby_ms_p50": p50(back.standby_ms) if back else None,
        "rss_before_mib": p50(back.before_mib) if back else p50(only_thaw.before_mib),
        "rss_after_mib": p50(back.after_mib) if back else None,
        **({"reason": why_not} if why_not else {}),
    }


def start(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start the server on its end of the connection."""
    size = str(RESIDENT_MB * 1_000_000)
    with theirs:
        return subprocess.Popen([sys.executable, "-c", SERVER, str(theirs.fileno()), size], pass_fds=(theirs.fileno(),))


def sleeper(group: Group | None, pid: int, means: pageout.Means | None) -> Sleeper:
    """Return what standby works on; with `means` of None memory stays."""
    return GroupSleeper(group, means) if group else SignalSleeper(lambda: [pid], means)


class Answers:
    """What was measured, one entry a round."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.standby_ms: list[float] = []
        self.before_mib: list[float] = []
        self.after_mib: list[float] = []


async def answers(pid: int, ours: socket.socket, sleeper: Sleeper, rounds: int) -> Answers:
    """Put the server into standby and ask it something, again and again."""
    watch: Watch = Standby().watch(sleeper, after_s=0)
    measured = Answers()
    for _ in range(rounds):
        async with watch.call():
            ask(ours, b"all")
        measured.before_mib.append(resident_mib(pid))
        started = time.perf_counter()
        await watch.standby()
        measured.standby_ms.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.1)
        measured.after_mib.append(resident_mib(pid))
        started = time.perf_counter()
        async with watch.call():
            ask(ours, b"one")
            measured.ms.append((time.perf_counter() - started) * 1000)
    return measured


def ask(ours: socket.socket, what: bytes) -> None:
    ours.send(what)
    if not ours.recv(64):
        raise RuntimeError("the server ended")


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def p50(values: list[float]) -> float:
    return round(statistics.median(values), 2)


def p95(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=20, method="inclusive")[-1], 2)


if __name__ == "__main__":
    main()
