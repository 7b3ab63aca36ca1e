"""Limits and standby of real sandboxes: by control groups, and without them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.sandboxes.contract import gone, python, shell, sleepers

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.cgroups import probe, sweep
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Process
from worktrial.sandboxes.select import probe_namespaces

PROBE = probe_namespaces()
pytestmark = pytest.mark.skipif(not PROBE.works, reason=f"no namespaces here: {PROBE.cause}")
LIMITS = TrialLimits(memory_mib=200, disk_mib=64, output_mib=4, processes=40, standby_s=0)
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"

FORKS = "import os, time\nwhile True:\n try:\n  os.fork() or time.sleep(30)\n except OSError:\n  pass"


def groups_or_skip() -> None:
    probed = probe()
    if probed.cgroups is None or not {"memory", "pids", "freezer"} <= probed.cgroups.jobs:
        pytest.skip(f"no control groups here: {probed.cause}")
    probed.cgroups.close()


@pytest.fixture(params=["groups", "no groups"])
def sandbox(request: pytest.FixtureRequest) -> Namespaces:
    if request.param == "groups":
        groups_or_skip()
    return Namespaces(groups=request.param == "groups")


@pytest_asyncio.fixture
async def opened(sandbox: Namespaces) -> AsyncIterator[Any]:
    workspaces = []

    async def open_one(**limits: object) -> Any:
        workspaces.append(await sandbox.open((), LIMITS.model_copy(update=limits)))
        return workspaces[-1]

    yield open_one
    for workspace in workspaces:
        await workspace.close()


async def ask(process: Process, what: bytes = b"well?\n") -> bytes:
    await process.send(what)
    answer = b""
    while not answer.endswith(b"\n"):
        answer += await process.receive()
    return answer


def group_of(workspace: Any) -> Any:
    return workspace._held.group


def asleep(workspace: Any) -> bool:
    return bool(workspace._held.watch.asleep)


# -- limits --


async def test_the_words_say_who_enforces_the_limits(sandbox: Namespaces) -> None:
    assert ("cgroup v" in sandbox.detail) != ("SIGSTOP" in sandbox.detail)
    assert "memory" in sandbox.detail


async def test_every_process_of_a_workspace_is_in_its_group_and_no_other(opened: Any) -> None:
    groups_or_skip()
    one, other = await opened(), await opened()
    if group_of(one) is None:
        pytest.skip("that is about groups")
    await one.start(shell("(setsid sleep 600 &); sleep 600"))
    await other.start(shell("exec sleep 600"))
    # The first process of each cell is in it too: it is as little to be trusted as what it started.
    assert await gone(lambda: len(group_of(one).pids()) < 4)
    assert await gone(lambda: len(group_of(other).pids()) < 2)
    assert group_of(one).usage().processes == 4
    await one.close()
    assert group_of(one).pids() == []
    assert len(group_of(other).pids()) == 2


@pytest.mark.parametrize("mib", [230, 2000], ids=["a little too much", "very much at once"])
async def test_too_much_memory_is_told_whether_we_or_the_kernel_saw_it(opened: Any, mib: int) -> None:
    script = f"x = bytearray()\nfor _ in range({mib}): x += b'x' * 2**20\nimport time; time.sleep(30)"
    done = await (await opened()).run(python(script))
    assert (done.ended, done.exit_code) == ("out_of_memory", None)


async def test_files_are_not_memory(opened: Any) -> None:
    workspace = await opened(memory_mib=60)
    done = await workspace.run(shell("head -c 50000000 /dev/zero > file; sleep 0.3; wc -c < file"))
    assert (done.ended, done.output) == ("completed", b"50000000\n")


async def test_too_many_threads_are_told_or_refused(opened: Any) -> None:
    script = """
import threading, time
for _ in range(60):
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
"""
    workspace = await opened()
    done = await workspace.run(python(script))
    if group_of(workspace) is None:
        assert (done.ended, done.exit_code) == ("completed", 1)
        assert b"can't start new thread" in done.output
    else:
        assert done.ended == "process_flood"


async def test_what_one_command_does_is_not_held_against_an_idle_one(opened: Any) -> None:
    workspace = await opened()
    server = await workspace.start(python(ECHO, 60))
    assert await ask(server) == b"well?\n"
    done = await workspace.run(python("x = b'x' * 230_000_000\nimport time; time.sleep(30)"))
    assert done.ended == "out_of_memory"
    done = await workspace.run(python(FORKS))
    assert done.ended == "process_flood"
    assert await ask(server) == b"well?\n"
    done = await workspace.run(shell("exit 3"))
    assert (done.ended, done.exit_code) == ("completed", 3)


async def test_processor_time_is_limited_for_a_command_and_not_for_all_of_them(opened: Any) -> None:
    workspace = await opened(cpu_s=1.0)
    burn = "import time\nwhile time.process_time() < 0.7: pass"
    for _ in range(3):
        done = await workspace.run(python(burn, 60))
        assert (done.ended, done.exit_code) == ("completed", 0)
    done = await workspace.run(python("while True: pass", 60))
    assert done.ended == "cpu_exhausted"


# -- standby --


async def test_a_started_process_is_frozen_when_idle_and_answers_the_next_call(opened: Any) -> None:
    workspace = await opened(standby_s=0.3)
    server = await workspace.start(python(ECHO, 120))
    for _ in range(3):
        assert await ask(server) == b"well?\n"
        assert await gone(lambda: not asleep(workspace), 30)
    assert (await workspace.run(shell("echo next"))).output == b"next\n"
    assert await ask(server) == b"well?\n"


async def test_a_command_that_runs_is_never_frozen(opened: Any) -> None:
    workspace = await opened(standby_s=0.1)
    done = await workspace.run(shell("sleep 1; echo done"))
    assert done.output == b"done\n"


async def test_files_and_memory_are_as_they_were_after_standby(opened: Any) -> None:
    workspace = await opened()
    script = """
import hashlib, os
data = os.urandom(20_000_000)
while input():
    print(hashlib.sha1(data).hexdigest(), flush=True)
"""
    server = await workspace.start(python(script, 120))
    before = await ask(server)
    await workspace.write("file", b"content")
    await workspace.standby()
    assert asleep(workspace)
    assert await workspace.read("file") == b"content"
    assert not asleep(workspace)
    assert await ask(server) == before
    await workspace.standby()
    await workspace.resume()
    assert not asleep(workspace)


async def test_what_is_frozen_can_be_killed_closed_and_runs_out_of_time(opened: Any) -> None:
    seconds = f"46.{os.getpid()}"
    workspace = await opened()
    killed, late = await workspace.start(shell(f"exec sleep {seconds}")), await workspace.start(shell("sleep 60", 1.5))
    await workspace.standby()
    assert (await late.wait()).ended == "timeout"
    await workspace.standby()
    await killed.kill()
    assert sleepers(seconds) == []
    await workspace.start(shell(f"exec sleep {seconds}"))
    assert await gone(lambda: not sleepers(seconds))
    await workspace.standby()
    await workspace.close()
    assert sleepers(seconds) == []


async def test_a_closed_workspace_has_no_group(opened: Any) -> None:
    workspace = await opened()
    await workspace.run(shell("true"))
    folders = group_of(workspace).folders if group_of(workspace) else ()
    await workspace.close()
    assert await gone(lambda: any(Path(folder).exists() for folder in folders))
    with pytest.raises(SandboxError):
        await workspace.run(shell("true"))


DIES = """
import asyncio, sys, time
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Command
async def main():
    workspace = await Namespaces(groups=sys.argv[2] == "True").open((), TrialLimits())
    await workspace.start(Command(("sleep", sys.argv[1]), 600))
    await asyncio.sleep(0.5)
    await workspace.standby()
    print("frozen", flush=True)
    time.sleep(600)
asyncio.run(main())
"""


def start_one_that_dies(seconds: str, groups: bool, cache: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "WORKTRIAL_CACHE": str(cache)}
    return subprocess.Popen([sys.executable, "-c", DIES, seconds, str(groups)], stdout=-1, env=environment)


@pytest.mark.parametrize("groups", [True, False])
async def test_a_killed_worktrial_leaves_nothing_that_is_frozen(tmp_path: Path, groups: bool) -> None:
    if groups:
        groups_or_skip()
    seconds = f"47.{os.getpid()}"
    process = start_one_that_dies(seconds, groups, tmp_path)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"frozen\n"
        assert len(sleepers(seconds)) == 1
        process.kill()
    assert await gone(lambda: bool(sleepers(seconds)), 10)
    assert sweep(tmp_path / "cgroups") == (1 if groups else 0)
