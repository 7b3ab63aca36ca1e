"""Attacks on the machine: whatever can be used up. All are small, and proven with room enough to end."""

from __future__ import annotations

import os

import pytest
from tests.attacks.tiers import LIMITS, Opener, attack, reached
from tests.sandboxes.contract import gone, shell, sleepers

from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.protocol import Command

WIDE = TrialLimits(memory_mib=2048, disk_mib=512, output_mib=16, processes=400, cpu_s=60)


async def ended(
    opened: Opener, command: Command, limits: TrialLimits = LIMITS, *, with_room: Command | None = None
) -> str:
    """Return how an attack ends within small limits, having shown that it does what it says within wide ones.

    `with_room` is the same attack where nobody has to have time to see it at work.
    """
    shown = await (await opened(limits=WIDE)).run(with_room or command)
    assert reached(shown), "it does not even work with room enough"
    workspace = await opened(limits=limits)
    done = await workspace.run(command)
    assert done.ended != "completed" or not reached(done)
    assert (await workspace.run(shell("echo usable"))).output == b"usable\n"
    return done.ended


async def test_a_fork_bomb_is_put_out(opened: Opener) -> None:
    seconds = f"49.{os.getpid()}"
    script = """
import subprocess
def bomb(left):
    started = []
    for _ in range(100):
        with attempt():
            if os.fork() == 0:
                os.execv("/bin/sleep", ["sleep", sys.argv[1]])
            started.append(1)
    return len(started)
if bomb(100) == 100:
    reached("all of them")
    os._exit(0)
time.sleep(60)
"""
    assert await ended(opened, attack(script, seconds)) == "process_flood"
    assert await gone(lambda: bool(sleepers(seconds)))


async def test_a_fork_bomb_that_hides_its_parents_is_put_out(opened: Opener) -> None:
    """Every process has left its parent behind: counting children is not enough."""
    seconds = f"50.{os.getpid()}"
    script = """
def orphan():
    with attempt():
        if os.fork() == 0:
            os.setsid()
            with attempt():
                if os.fork() == 0:
                    os.execve("/bin/sleep", ["sleep", sys.argv[1]], {})
            os._exit(0)
        os.wait()
        return 1
    return 0
if sum(orphan() for _ in range(100)) == 100:
    reached("all of them")
time.sleep(float(sys.argv[2]))
"""
    found = await ended(opened, attack(script, seconds, 4), with_room=attack(script, seconds, 0))
    assert found == "process_flood"
    assert await gone(lambda: bool(sleepers(seconds)))


async def test_a_memory_bomb_is_put_out(opened: Opener) -> None:
    script = "held = []\nfor _ in range(60): held.append(b'x' * 10_000_000); time.sleep(0.02)\nreached('all of it')"
    assert await ended(opened, attack(script)) == "out_of_memory"


async def test_a_memory_bomb_of_many_small_processes_is_put_out(opened: Opener) -> None:
    script = """
for _ in range(12):
    if os.fork() == 0:
        held = bytearray(b"x" * 50_000_000)
        time.sleep(float(sys.argv[1]))
        os._exit(0)
for _ in range(12):
    os.wait()
reached("all of it")
"""
    assert await ended(opened, attack(script, 4), with_room=attack(script, 0.5)) == "out_of_memory"


@pytest.mark.parametrize("folder", ["/dev/shm", "$TMPDIR", "$HOME", "."])
async def test_a_disk_bomb_is_put_out_wherever_it_is_written(opened: Opener, folder: str) -> None:
    """What is held in memory counts as memory or as disk: it is bounded all the same."""
    script = """
folder = os.path.expandvars(sys.argv[1])
if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
    reached("nothing to write to")
    sys.exit(0)
try:
    for number in range(10):
        with open(f"{folder}/bomb{number}", "wb", buffering=0) as file:
            for _ in range(20):
                file.write(b"x" * 1_000_000)
                time.sleep(float(sys.argv[2]))
    reached("all of it")
    time.sleep(float(sys.argv[3]))
except PermissionError:
    reached("nothing to write to")
except OSError as error:
    print(error.strerror, flush=True)
    sys.exit(1)
"""
    assert reached(await (await opened(limits=WIDE)).run(attack(script, folder, 0, 0)))
    done = await (await opened()).run(attack(script, folder, 0.01, 3))
    assert (
        done.ended in ("disk_full", "out_of_memory")
        or reached(done) == {"nothing to write to"}
        or (done.exit_code == 1 and folder == "/dev/shm")
    )


async def test_an_inode_bomb_is_put_out(opened: Opener) -> None:
    script = """
os.mkdir("many")
try:
    for number in range(60_000):
        os.close(os.open(f"many/{number}", os.O_CREAT | os.O_WRONLY, 0o600))
        if number % 10_000 == 9_999:
            time.sleep(1.5)
    reached("all of them")
except OSError as error:
    print(error.strerror, flush=True)
    sys.exit(1)
"""
    workspace = await opened()
    done = await workspace.run(attack(script, timeout_s=120))
    assert done.ended in ("disk_full", "out_of_memory")


async def test_an_output_flood_is_put_out(opened: Opener) -> None:
    script = "for _ in range(50): os.write(1, b'x' * 99_999 + b'\\n')\nreached('all of it')"
    assert await ended(opened, attack(script)) == "output_flood"


async def test_an_endless_sleep_that_ignores_every_signal_is_ended(opened: Opener) -> None:
    seconds = f"51.{os.getpid()}"
    script = """
import signal
for number in range(1, 65):
    with attempt():
        signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", sys.argv[1]], {})
reached("asleep")
os.execv("/bin/sleep", ["sleep", sys.argv[1]])
"""
    workspace = await opened()
    done = await workspace.run(attack(script, seconds, timeout_s=3))
    assert reached(done) == {"asleep"}
    assert (done.ended, done.exit_code) == ("timeout", None)
    assert done.wall_s < 30
    assert await gone(lambda: bool(sleepers(seconds)))


async def test_burning_processor_time_is_ended(opened: Opener) -> None:
    script = "deadline = time.process_time() + 2.5\nwhile time.process_time() < deadline: pass\nreached('the end')"
    limits = LIMITS.model_copy(update={"cpu_s": 1.0})
    assert await ended(opened, attack(script, timeout_s=120), limits) == "cpu_exhausted"


async def test_open_files_are_bounded(opened: Opener) -> None:
    script = """
import resource
held = []
try:
    while len(held) < 300:
        held.append(os.open("/dev/null", os.O_RDONLY))
    reached("all of them")
except OSError as error:
    print(error.strerror)
with attempt():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    reached("a limit of one's own")
"""
    assert reached(await (await opened(limits=WIDE)).run(attack(script)))
    done = await (await opened(limits=LIMITS.model_copy(update={"open_files": 100}))).run(attack(script))
    assert not reached(done)
