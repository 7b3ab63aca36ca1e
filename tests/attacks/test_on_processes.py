"""Attacks on other processes, and on the walls between them and a sandbox."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from tests.attacks.tiers import Opener, attack, let_through, reached, unconfined
from tests.sandboxes.contract import gone, sleepers

from worktrial.sandboxes.protocol import Sandbox

Victim = subprocess.Popen[bytes]


@pytest.fixture
def victim() -> Iterator[Victim]:
    """Return a process of the host that only waits to be attacked; its name is its own."""
    yield from _waiting()


@pytest.fixture
def other_victim() -> Iterator[Victim]:
    """Return another one, to be attacked without isolation."""
    yield from _waiting()


def _waiting() -> Iterator[Victim]:
    with subprocess.Popen(["/usr/bin/python3", "-c", "input()", uuid.uuid4().hex], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def name_of(victim: Victim) -> str:
    assert isinstance(victim.args, list)
    return str(victim.args[-1])


SEE = """
for entry in os.listdir("/proc"):
    with attempt():
        if sys.argv[1][:16].encode() in open(f"/proc/{entry}/cmdline", "rb").read() and entry != str(os.getpid()):
            reached("seen")
"""


async def test_the_host_s_processes_cannot_be_seen(sandbox: Sandbox, opened: Opener, victim: Victim) -> None:
    """Only part of the name is given: the command line of the attack and of what starts it have it too."""
    command = attack(SEE.replace("sys.argv[1][:16]", repr(name_of(victim)[::-1]) + "[::-1]"))
    assert await unconfined(command) == {"seen"}
    assert bool(reached(await (await opened()).run(command))) == let_through(
        sandbox, "the_host_s_processes_cannot_be_seen"
    )


HARM = """
victim = int(sys.argv[1])
numbers = {"x86_64": (101, 310, 434, 438, 424), "aarch64": (117, 270, 434, 438, 424)}[os.uname().machine]
ptrace, process_vm_readv, pidfd_open, pidfd_getfd, pidfd_send_signal = map(ctypes.c_long, numbers)
with attempt():
    os.setpriority(os.PRIO_PROCESS, victim, 19)
    reached("priority")
with attempt():
    os.sched_setaffinity(victim, os.sched_getaffinity(0))
    reached("affinity")
handle = libc.syscall(pidfd_open, victim, 0)
if handle >= 0 and libc.syscall(pidfd_getfd, handle, 2, 0) >= 0:
    reached("descriptor")
PTRACE_SEIZE = 0x4206
if libc.syscall(ptrace, PTRACE_SEIZE, victim, None, None) == 0:
    reached("traced")
    libc.syscall(ptrace, 17, victim, None, None)
with attempt():
    os.kill(victim, 0)
    reached("signal 0")
if handle >= 0 and libc.syscall(pidfd_send_signal, handle, 0, None, 0) == 0:
    reached("signal by descriptor")
with attempt():
    os.kill(-1 if sys.argv[2] == "all" else victim, 9)
with attempt():
    os.kill(victim, 9)
    reached("killed")
"""


async def test_the_host_s_processes_can_be_neither_killed_nor_traced_nor_slowed(
    sandbox: Sandbox, opened: Opener, victim: Victim, other_victim: Victim
) -> None:
    """Nor can all processes at once, which without isolation nobody tries here."""
    free = await unconfined(attack(HARM, other_victim.pid, "one"))
    assert {"priority", "signal 0", "signal by descriptor", "killed"} <= free
    assert await gone(lambda: other_victim.poll() is None)
    weak = let_through(sandbox, "the_host_s_processes_can_be_neither_killed_nor_traced_nor_slowed")
    done = await (await opened()).run(attack(HARM, victim.pid, "one" if weak else "all"))
    if weak:
        assert "killed" in reached(done)
        assert not reached(done) & {"traced", "descriptor"}
    else:
        assert not reached(done) - _harmless(sandbox)
        assert victim.poll() is None


def _harmless(sandbox: Sandbox) -> set[str]:
    """Return what an ordinary user's sandbox can do without namespaces that only slows his own processes."""
    return {"priority", "affinity"} if sandbox.tier == "landlock" and os.geteuid() != 0 else set()


async def test_no_namespace_can_be_entered_again_for_more_rights(opened: Opener) -> None:
    """A user namespace of one's own gives rights over mounts and networks, and at the kernel's least tried parts."""
    script = """
numbers = {"x86_64": (165, 272, 308, 56), "aarch64": (40, 97, 268, 220)}[os.uname().machine]
mount, unshare, setns, clone = map(ctypes.c_long, numbers)
NEWUSER, NEWNS = 0x10000000, 0x20000
if libc.syscall(clone, NEWUSER | 17, 0, 0, 0, 0) >= 0:
    reached("cloned")
if libc.syscall(unshare, NEWUSER | NEWNS) == 0:
    reached("unshared")
if libc.syscall(mount, b"none", b"/tmp", b"tmpfs", 0, None) == 0:
    reached("mounted")
with attempt():
    if libc.syscall(setns, os.open("/proc/1/ns/mnt", os.O_RDONLY), 0) == 0:
        reached("entered")
"""
    done = await (await opened()).run(attack(script))
    assert not reached(done)


async def test_setuid_programs_give_nobody_more_rights(opened: Opener) -> None:
    script = """
import subprocess
for program in ("su", "sudo", "mount", "newgrp", "passwd", "pkexec", "newuidmap"):
    with attempt():
        said = subprocess.run([program, "--version"], stdin=-3, capture_output=True, text=True)
with open("/proc/self/status") as status:
    wanted = {line.partition(":")[0]: line.partition(":")[2].strip() for line in status}
if wanted["NoNewPrivs"] != "1":
    reached("new privileges")
if int(wanted["CapEff"], 16) | int(wanted["CapPrm"], 16):
    reached("capabilities")
"""
    assert await unconfined(attack(script)) >= {"new privileges"}
    assert not reached(await (await opened()).run(attack(script)))


@pytest.mark.parametrize("way", ["daemon", "env cleared", "group left"])
async def test_nothing_outlives_its_command_however_it_hides(opened: Opener, way: str) -> None:
    """A double fork in a session of its own, without the variables we would know it by, ignoring every signal."""
    seconds = f"48.{os.getpid()}{['daemon', 'env cleared', 'group left'].index(way)}"
    script = """
import signal
way, seconds = sys.argv[1:]
if os.fork() == 0:
    os.setsid() if way != "group left" else os.setpgid(0, 0)
    if os.fork() == 0:
        for number in range(1, 65):
            with attempt():
                signal.signal(number, signal.SIG_IGN)
        for handle in range(3):
            os.close(handle)
        os.execve("/bin/sleep", ["sleep", seconds], {} if way == "env cleared" else os.environ)
    os._exit(0)
os.wait()
print("REACHED left behind")
"""
    workspace = await opened()
    assert reached(await workspace.run(attack(script, way, seconds))) == {"left behind"}
    assert await gone(lambda: bool(sleepers(seconds)))
