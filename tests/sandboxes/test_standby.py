"""What is idle stands still, and goes on as if nothing had been as soon as it is wanted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from tests.sandboxes.contract import gone

from worktrial.errors import SandboxError
from worktrial.sandboxes.cgroups import probe
from worktrial.sandboxes.groups import Limits
from worktrial.sandboxes.standby import GroupSleeper, SignalSleeper, Sleeper, Standby, Watch
from worktrial.sandboxes.usage import descendants

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
SPIN = "print('x', flush=True)\nwhile True: pass"
SOON_S = 0.2
NEVER_S = 3600.0


class Echo:
    """A process that answers, and how standby gets hold of it."""

    def __init__(self, process: subprocess.Popen[bytes], sleeper: Sleeper) -> None:
        self.process = process
        self.sleeper = sleeper

    def ask(self) -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"well?\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def stands_still(self) -> bool:
        """Say whether it leaves a question unanswered; it will answer in the end, so read that."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        try:
            return self.process.stdout.read() is None
        finally:
            os.set_blocking(self.process.stdout.fileno(), True)


def start(script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, start_new_session=True)


@pytest_asyncio.fixture(params=["group", "signals"])
async def make_sleeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[int], Sleeper]]:
    """Both ways to freeze, for a process and all it starts."""
    if request.param == "signals":
        yield lambda pid: SignalSleeper(lambda: descendants(pid), None)
        return
    probed = probe(tmp_path / "records")
    if probed.cgroups is None or "freezer" not in probed.cgroups.jobs:
        pytest.skip(f"no control groups here: {probed.cause}")
    groups = []

    def make(pid: int) -> Sleeper:
        groups.append(probed.cgroups.create(Limits(512, 0, 64)))  # type: ignore[union-attr]
        groups[-1].add(pid)
        return GroupSleeper(groups[-1], None)

    yield make
    for group in groups:
        await group.close()
    probed.cgroups.close()


@pytest_asyncio.fixture
async def echo(make_sleeper: Callable[[int], Sleeper]) -> AsyncIterator[Echo]:
    process = start(ECHO)
    yield Echo(process, make_sleeper(process.pid))
    with process:
        process.kill()


def frozen(watch: Watch) -> bool:
    return watch.asleep


async def asleep(watch: Watch) -> bool:
    return await gone(lambda: not watch.asleep, 30)


async def test_what_is_idle_stands_still_and_the_next_call_resumes_it(echo: Echo) -> None:
    watch = Standby().watch(echo.sleeper, SOON_S)
    async with watch.call():
        assert echo.ask() == b"well?\n"
    assert await asleep(watch)
    assert echo.process.stdin is not None
    echo.process.stdin.write(b"now?\n")
    echo.process.stdin.flush()
    await asyncio.sleep(0.1)
    assert echo.stands_still()
    async with watch.call():
        assert echo.process.stdout is not None
        assert echo.process.stdout.readline() == b"now?\n"
        assert not frozen(watch)
    assert await asleep(watch), "again, and without another call"
    await watch.close()


async def test_a_call_in_flight_keeps_it_awake_however_long_it_lasts(echo: Echo) -> None:
    watch = Standby().watch(echo.sleeper, SOON_S)
    async with watch.call(), watch.call():
        await asyncio.sleep(SOON_S * 4)
        assert not frozen(watch)
        assert echo.ask() == b"well?\n"
    assert await asleep(watch)
    await watch.close()


async def test_bytes_of_a_started_process_keep_it_awake(echo: Echo) -> None:
    after_s = 1.0
    watch = Standby().watch(echo.sleeper, after_s)
    clock = asyncio.get_running_loop().time
    last, longest_s = clock(), 0.0
    for _ in range(40):
        await asyncio.sleep(0.05)
        now = clock()
        longest_s, last = max(longest_s, now - last), now
        watch.touch()
    assert not frozen(watch) or longest_s >= after_s / 2, "unless this machine kept us waiting for so long"
    assert await asleep(watch)
    await watch.close()


async def test_a_silent_process_at_work_is_not_stopped(make_sleeper: Callable[[int], Sleeper]) -> None:
    with start(SPIN) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        watch = Standby().watch(make_sleeper(process.pid), 2.0)
        await asyncio.sleep(3.5)
        assert not frozen(watch)
        await watch.close()
        process.kill()


async def test_it_can_be_asked_for_and_is_never_taken_where_that_is_said(echo: Echo) -> None:
    watch = Standby().watch(echo.sleeper, 0)
    async with watch.call():
        pass
    await asyncio.sleep(SOON_S * 2)
    assert not frozen(watch)
    await watch.standby()
    await watch.standby()
    assert frozen(watch)
    await watch.resume()
    await watch.resume()
    assert not frozen(watch)
    assert echo.ask() == b"well?\n"
    await watch.close()
    await watch.standby()
    assert not frozen(watch), "a closed watch freezes nothing"


async def test_processes_started_meanwhile_are_stopped_too(make_sleeper: Callable[[int], Sleeper]) -> None:
    script = (
        "import os, time\nprint('x', flush=True)\nfor _ in range(300):\n if not os.fork(): time.sleep(60); os._exit(0)"
    )
    with start(script) as process:
        try:
            assert process.stdout is not None
            process.stdout.read(1)
            sleeper = make_sleeper(process.pid)
            await sleeper.freeze()
            before = len(descendants(process.pid))
            await asyncio.sleep(0.2)
            assert len(descendants(process.pid)) == before
            await sleeper.thaw()
        finally:
            os.killpg(process.pid, signal.SIGKILL)


async def test_many_wait_by_one_timer_and_without_a_task_each(echo: Echo) -> None:
    standby = Standby()
    tasks = len(asyncio.all_tasks())
    watches = [standby.watch(echo.sleeper, NEVER_S) for _ in range(500)]
    for watch in watches:
        async with watch.call():
            pass
    assert len(asyncio.all_tasks()) == tasks
    waiting = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    assert len(waiting) == 1
    for watch in watches:
        await watch.close()


class Slow(SignalSleeper):
    """Handing memory back takes until somebody wants the processes again."""

    began = False
    threads: tuple[int, ...] = ()

    def hand_back(self, wanted: Callable[[], bool]) -> None:
        self.threads += (threading.get_ident(),)
        while not wanted():
            self.began = True
        self.began = False


async def test_a_call_does_not_wait_for_memory_on_its_way_out() -> None:
    with start(ECHO) as process:
        sleeper = Slow(lambda: descendants(process.pid), None)
        watch = Standby().watch(sleeper, 0)
        going = asyncio.create_task(watch.standby())
        assert await gone(lambda: not sleeper.began)
        async with watch.call():
            assert Echo(process, sleeper).ask() == b"well?\n"
        await going
        assert not sleeper.began
        going = asyncio.create_task(watch.standby())
        assert await gone(lambda: not sleeper.began)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        assert await gone(lambda: sleeper.began), "the thread of a cancelled call ends too"
        await watch.close()
        await sleeper.thaw()
        process.kill()


class Stubborn(SignalSleeper):
    """Cannot be frozen the first two times."""

    tries = 0

    async def freeze(self) -> None:
        self.tries += 1
        if self.tries < 3:
            raise SandboxError("could not stop a sandbox")
        await super().freeze()


async def test_what_cannot_be_frozen_goes_on_and_is_tried_again_later() -> None:
    with start(ECHO) as process:
        sleeper = Stubborn(lambda: descendants(process.pid), None)
        watch = Standby().watch(sleeper, SOON_S)
        with pytest.raises(SandboxError, match="could not stop"):
            await watch.standby()
        assert Echo(process, sleeper).ask() == b"well?\n"
        assert await asleep(watch)
        assert sleeper.tries == 3
        await watch.resume()
        await watch.close()
        process.kill()


async def test_calls_and_standby_may_meet_in_any_order(echo: Echo) -> None:
    watch = Standby().watch(echo.sleeper, 0.02)

    async def call(number: int) -> None:
        await asyncio.sleep(number * 0.013 % 0.05)
        async with watch.call():
            assert not frozen(watch)
            assert await asyncio.to_thread(echo.ask) == b"well?\n"

    async def freeze(number: int) -> None:
        await asyncio.sleep(number * 0.017 % 0.05)
        await watch.standby()

    for number in range(60):
        # Explicit standby may freeze what a call waits for, so these come between the calls and not beside them.
        await (freeze(number) if number % 3 else call(number))
    assert await asleep(watch)
    await watch.resume()
    await watch.close()


def test_a_backend_may_be_used_in_one_event_loop_after_another() -> None:
    standby = Standby()

    async def once() -> None:
        with start(ECHO) as process:
            watch = standby.watch(SignalSleeper(lambda: descendants(process.pid), None), SOON_S)
            assert await asleep(watch)
            await watch.close()
            process.kill()

    asyncio.run(once())
    asyncio.run(once())
