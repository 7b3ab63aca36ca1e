"""What namespaces keep out, keep in, and leave behind: nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.sandboxes.contract import LIMITS, gone, make, python, shell, sleepers

from worktrial.errors import InfrastructureError, SandboxError
from worktrial.sandboxes.landlock import Landlock
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Command, Mount, Sandbox, Workspace
from worktrial.sandboxes.select import probe_namespaces
from worktrial.sandboxes.unconfined import Unconfined

PROBE = probe_namespaces()
pytestmark = pytest.mark.skipif(not PROBE.works, reason=f"no namespaces here: {PROBE.cause}")


@pytest_asyncio.fixture
async def workspace() -> AsyncIterator[Workspace]:
    opened = await Namespaces().open((), LIMITS)
    yield opened
    await opened.close()


async def test_a_command_is_an_ordinary_user_without_capabilities(workspace: Workspace) -> None:
    done = await workspace.run(
        shell("id -u; id -g; grep CapEff /proc/self/status; cat /proc/self/oom_score >/dev/null")
    )
    assert done.output.split() == [b"1000", b"1000", b"CapEff:", b"0000000000000000"]


@pytest.mark.parametrize(
    "path", ["/root", "/home/joe", "/work", "/var/lib", "/etc/shadow", "/etc/ssl/private", "/sys", "/run", "/boot"]
)
async def test_the_host_s_files_are_not_there(workspace: Workspace, path: str) -> None:
    done = await workspace.run(shell(f"ls -a {path}"))
    assert b"No such file" in done.output, done.output


async def test_the_host_s_home_and_temporary_files_are_not_there(workspace: Workspace, tmp_path: Path) -> None:
    make(tmp_path / "secret", {"key": "k"})
    done = await workspace.run(shell(f"cat {tmp_path}/secret/key; ls {Path.home()}; ls -A /tmp"))
    assert b"k\n" not in done.output
    assert done.output.count(b"No such file") == 2


async def test_only_workspace_home_and_temporary_folders_can_be_written(workspace: Workspace) -> None:
    script = "for f in /workspace /tmp $HOME /dev/shm / /usr /etc /usr/local /var /proc/sys/kernel; do"
    done = await workspace.run(shell(script + " touch $f/new 2>/dev/null && echo $f; done"))
    assert done.output.decode().split() == ["/workspace", "/tmp", "/home/agent", "/dev/shm"]


async def test_kernel_settings_cannot_be_changed(workspace: Workspace) -> None:
    """Not even by one whose real user is root: what root owns in /proc is read-only."""
    script = "for f in $(find /proc/sys /proc/sysrq-trigger /proc/irq /proc/fs -type f 2>/dev/null); do"
    done = await workspace.run(shell(script + ' ( : >> "$f" ) 2>/dev/null && echo "$f"; done'))
    assert done.output == b""


async def test_the_host_s_processes_are_neither_seen_nor_reached(workspace: Workspace) -> None:
    done = await workspace.run(shell(f"ls /proc | grep -c '^[0-9]*$'; kill -0 {os.getpid()} 2>&1; echo $?"))
    lines = done.output.decode().splitlines()
    assert int(lines[0]) < 10
    assert "No such process" in done.output.decode()


async def test_there_is_no_network_not_even_the_host_s_own(workspace: Workspace) -> None:
    """Loopback and abstract unix sockets of the host are out of reach; loopback of its own works."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0worktrial-{os.getpid()}")
        abstract.listen()
        done = await workspace.run(
            python(
                f"""
import socket
def attempt(family, address):
    try:
        socket.socket(family).connect(address); print("reached")
    except OSError as error:
        print(type(error).__name__)
attempt(socket.AF_INET, ("127.0.0.1", {server.getsockname()[1]}))
attempt(socket.AF_INET, ("192.0.2.1", 80))
attempt(socket.AF_UNIX, "\\0worktrial-{os.getpid()}")
own = socket.create_server(("127.0.0.1", 0))
attempt(socket.AF_INET, own.getsockname())
"""
            )
        )
    assert done.output.decode().split() == ["ConnectionRefusedError", "OSError", "ConnectionRefusedError", "reached"]


async def test_read_only_mounts_are_read_only(workspace: Workspace, tmp_path: Path) -> None:
    readable, writable = make(tmp_path / "r", {"f": "x"}), make(tmp_path / "w", {})
    mounts = (Mount(readable), Mount(writable, writable=True))
    done = await workspace.run(shell(f"echo y > {readable}/f; echo y > {writable}/f; true", mounts=mounts))
    assert b"Read-only" in done.output
    assert (readable / "f").read_text() == "x"
    assert (writable / "f").read_text() == "y\n"


async def test_programs_on_the_command_s_path_never_run_outside(workspace: Workspace, tmp_path: Path) -> None:
    """An environment's `bin` folder is written by untrusted code: a `bwrap` or `nsenter` there is not ours."""
    mark = tmp_path / "mark"
    folder = make(tmp_path / "bin", {})
    for name in ("nsenter", "bwrap", "unshare", "prlimit", "sh", "stat"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {mark}\n")
        (folder / name).chmod(0o755)
    done = await workspace.run(
        Command(("/bin/sh", "-c", "echo fine"), 10, env={"PATH": f"{folder}:/usr/bin:/bin"}, mounts=(Mount(folder),))
    )
    assert done.output == b"fine\n"
    assert not mark.exists()


async def test_a_full_disk_is_told_apart_and_room_can_be_made(workspace: Workspace) -> None:
    done = await workspace.run(shell("dd if=/dev/zero of=big bs=1M count=200"))
    assert done.ended == "disk_full"
    assert (await workspace.run(shell("cat nothing"))).ended == "completed"
    assert (await workspace.run(shell("rm big; echo x > small"))).exit_code == 0


async def test_running_out_of_inodes_is_a_full_disk_too(workspace: Workspace) -> None:
    script = "import itertools\nfor n in itertools.count(): open(str(n), 'w').close()"
    assert (await workspace.run(python(script, 60))).ended == "disk_full"


async def test_a_file_larger_than_any_disk_is_saved_as_a_hole(workspace: Workspace, tmp_path: Path) -> None:
    await workspace.run(shell("truncate -s 1T hole; printf x | dd of=hole bs=1 seek=1000000 conv=notrunc"))
    saved = (await workspace.snapshot(tmp_path / "snapshot")) / "hole"
    assert saved.stat().st_size == 2**40
    assert saved.stat().st_blocks < 1000
    with saved.open("rb") as file:
        file.seek(999_999)
        assert file.read(3) == b"\0x\0"


_WRITE_FOR_EVER = """
import ctypes, os, time
clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
def write():
    while True:
        with open("file", "w") as file:
            file.write(str(time.monotonic_ns()))
def strays(flags):
    for _ in range(3):
        ctypes.CDLL(None).syscall(clone, flags, 0, 0, 0, 0) or write()
"""
_STRAYS = {
    "children": "strays(17)",
    "children whose end is told to nobody": "strays(0)",
    "siblings": "strays(0x8000)",
    "siblings of a child": "strays(0) if os.fork() else strays(0x8000)",
}


@pytest.mark.parametrize("stray", _STRAYS)
async def test_nothing_runs_or_writes_once_a_command_has_ended(workspace: Workspace, stray: str) -> None:
    for _ in range(3):
        await workspace.run(python(f"{_WRITE_FOR_EVER}{_STRAYS[stray]}\ntime.sleep(0.02)\nos._exit(0)"))
        seen = {await workspace.host(["cat", "{workspace}/file"], env=os.environ) for _ in range(5)}
        assert len(seen) == 1


async def test_a_command_finds_no_signal_ignored_whatever_who_started_us_does_with_them(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it
    try:
        opened = await Namespaces(pool=0).open((), LIMITS)
    finally:
        signal.signal(signal.SIGHUP, before)
    done = await opened.run(Command(("grep", "SigIgn", "/proc/self/status"), 20))
    await opened.close()
    internal = 0b11 << 31  # 32 and 33 are glibc's own, which ignores them in what it starts
    assert int(done.output.split()[1], 16) & ~internal == 0


_ON_THE_KEEPER = {
    "signals": "for number in range(1, 65): attempt(os.kill, 1, number)",
    "its memory": "attempt(open, '/proc/1/mem', 'r+b'); attempt(open, '/proc/1/maps', 'rb')",
    "its files": "attempt(os.listdir, '/proc/1/fd'); attempt(os.readlink, '/proc/1/cwd')",
    "its namespaces": "attempt(os.readlink, '/proc/1/ns/mnt')",
    "its limits": "attempt(resource.prlimit, 1, resource.RLIMIT_NOFILE, (0, 0))",
    "its time": "attempt(resource.prlimit, 1, resource.RLIMIT_CPU, (0, 0)); time.sleep(0.3)",
    "its turn": "attempt(os.setpriority, os.PRIO_PROCESS, 1, 19); attempt(os.sched_setaffinity, 1, {0})",
}


@pytest.mark.parametrize("what", _ON_THE_KEEPER)
async def test_a_command_cannot_have_the_process_that_watches_it_say_that_all_went_well(
    workspace: Workspace, what: str
) -> None:
    script = f"""
import contextlib, os, resource, time
done = []
def attempt(doing, *args):
    with contextlib.suppress(OSError, ValueError):
        doing(*args)
        done.append(doing.__name__)
{_ON_THE_KEEPER[what]}
print(*done)
os._exit(3)
"""
    done = await workspace.run(Command(("/usr/bin/python3", "-c", script), 20))
    assert done.exit_code in (3, -9), done
    if what in ("its memory", "its files", "its namespaces"):
        assert done.output.split() == [], done
    assert (await workspace.run(Command(("true",), 20))).exit_code == 0


async def test_a_trusted_program_can_end_before_anybody_has_heard_of_it(workspace: Workspace) -> None:
    for _ in range(25):
        argvs = [["true"], ["/does/not/exist"]] * 4
        ended = await asyncio.gather(*(workspace.host(argv, env=os.environ) for argv in argvs), return_exceptions=True)
        assert [type(end) for end in ended] == [bytes, InfrastructureError] * 4


@pytest.mark.parametrize("other", [Landlock, Unconfined])
async def test_what_another_tier_left_in_a_folder_that_both_write_is_no_obstacle(
    workspace: Workspace, tmp_path: Path, other: Callable[[], Sandbox]
) -> None:
    """A cache that builds share, say, whichever tier they are made in."""
    cache = tmp_path / "cache"
    cache.mkdir()
    elsewhere = await other().open((), LIMITS)
    for number, one in enumerate((elsewhere, workspace, elsewhere, workspace)):
        script = f"mkdir -p {cache}/{number} && for folder in {cache}/*; do echo > $folder/{number} || exit; done"
        done = await one.run(replace(shell(script), mounts=(Mount(cache, writable=True),)))
        assert done.exit_code == 0, done.output
    await elsewhere.close()


@pytest.mark.skipif(not Path("/dev/kmsg").exists(), reason="the host has no such device")
async def test_what_cannot_be_shown_to_a_command_is_no_exit_code_of_its_own(workspace: Workspace) -> None:
    """The /dev of a sandbox is read-only: there is no place in it to mount a device of the host's on."""
    with pytest.raises(SandboxError, match="could not start true"):
        await workspace.run(Command(("true",), 20, mounts=(Mount(Path("/dev/kmsg")),)))


async def test_a_layer_that_is_not_there_is_an_error_with_its_cause(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="could not mount") as caught:
        await Namespaces().open((tmp_path / "nothing",), LIMITS)
    assert "nothing" in caught.value.cause


async def test_an_opening_that_is_cancelled_leaves_nothing_mounted(tmp_path: Path) -> None:
    """What is not the sandbox's user's is copied, and so are very many layers: that can be cancelled half way."""
    layers = tuple(make(tmp_path / f"layer {number}", {}) for number in range(130))
    (layers[-1] / "big").write_bytes(bytes(20_000_000))
    sandbox = Namespaces()
    one = await sandbox.open((), LIMITS)
    for wait_s in (0.0, 0.005, 0.02):
        task = asyncio.create_task(sandbox.open(layers, LIMITS))
        await asyncio.sleep(wait_s)
        task.cancel()
        for result in await asyncio.gather(task, return_exceptions=True):
            if not isinstance(result, BaseException):
                await result.close()
    folder = (await one.host(["sh", "-c", 'cd "$0/../.." && pwd', "{workspace}"], env=os.environ)).decode().strip()
    found = b""
    for _ in range(100):
        found = await one.host(["ls", folder], env=os.environ)
        if found == b"1\n":
            break
        await asyncio.sleep(0.05)
    mounts = (await one.host(["cat", "/proc/self/mountinfo"], env=os.environ)).decode()
    assert found == b"1\n"
    assert [line.split()[4] for line in mounts.splitlines() if folder in line] == [folder, f"{folder}/1"]
    await one.close()


def test_nothing_stays_mounted_or_running_when_we_are_killed(tmp_path: Path) -> None:
    seconds = f"46.{os.getpid()}"
    script = f"""
import asyncio, os
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Command
from worktrial.sandboxes.usage import descendants

async def main():
    workspace = await Namespaces().open((), TrialLimits())
    task = asyncio.create_task(workspace.run(Command(("sh", "-c", "(setsid sleep {seconds} &); sleep {seconds}"), 60)))
    await asyncio.sleep(0.3)
    print(*descendants(os.getpid())[1:], flush=True)
    await task

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ours = [Path("/proc", pid.decode()) for pid in process.stdout.readline().split()]
        assert len(sleepers(seconds)) == 2
        os.kill(process.pid, signal.SIGKILL)
    assert len(ours) > 3
    assert asyncio.run(gone(lambda: bool(sleepers(seconds)) or any(_alive(path) for path in ours)))
    assert str(os.environ["WORKTRIAL_CACHE"]) not in Path("/proc/self/mountinfo").read_text()


def _alive(process: Path) -> bool:
    """Tell whether a process is there and no zombie, which is for whoever is first of all to reap."""
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


AS_JOE = """
import asyncio, os, sys
from pathlib import Path
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.select import choose
from worktrial.sandboxes.protocol import Command

async def main(tier):
    layer = Path(os.environ["WORKTRIAL_CACHE"], "layer")
    (layer / "dir").mkdir(parents=True, exist_ok=True)
    (layer / "dir/a").write_text("a")
    workspace = await choose(tier).open((layer,), TrialLimits())
    script = "id -u; mv dir there; echo b >> there/a; mkdir s; echo > s/x; chmod 0 s"
    done = await workspace.run(Command(("sh", "-c", script), 20))
    assert done.exit_code == 0, done
    print(tier, done.output.split()[0].decode(), (layer / "dir/a").read_text())
    root = workspace.root
    await workspace.close()
    assert tier != "none" or not root.parent.exists()

for tier in ("namespaces", "none"):
    asyncio.run(main(tier))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_gets_the_same(tmp_path: Path) -> None:
    """As the user `joe`, with the system's Python: root's folders, and so its interpreters, are closed to others."""
    if subprocess.run(["id", "joe"], capture_output=True, check=False).returncode:
        pytest.skip("there is no user joe")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    source = Path(__file__).parents[2] / "src"
    script = f"cd /tmp && WORKTRIAL_CACHE=/tmp/joe-{os.getpid()} PYTHONPATH={source}:{packages} /usr/bin/python3 -"
    done = subprocess.run(["su", "joe", "-c", script], input=AS_JOE, capture_output=True, text=True, check=False)
    subprocess.run(["rm", "-rf", f"/tmp/joe-{os.getpid()}"], check=False)
    if "No module named" in done.stderr:
        pytest.skip("the system's Python cannot use this environment's packages")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "namespaces 1000 a"
    assert done.stdout.splitlines()[1].startswith("none ")


async def test_a_loop_in_another_thread_may_be_used(tmp_path: Path) -> None:
    """The kernel ends a sandbox with the thread that started it, not only with the process: ours outlives it."""
    outputs = []

    async def once() -> None:
        opened = await Namespaces().open((), LIMITS)
        outputs.append((await opened.run(shell("echo x"))).output)
        await opened.close()

    thread = threading.Thread(target=lambda: asyncio.run(once()))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert outputs == [b"x\n"]


def test_one_backend_serves_event_loops_one_after_the_other(tmp_path: Path) -> None:
    """With several at once waiting for the same warm interpreter in each."""
    script = make(tmp_path / "tool", {"script.py": "print('ran')"}) / "script.py"
    backend = Namespaces()

    async def several(modules: tuple[str, ...]) -> list[bytes]:
        async def one() -> bytes:
            workspace = await backend.open((), LIMITS)
            argv = ("/usr/bin/python3", "-I", str(script))
            done = await workspace.run(Command(argv, 30, mounts=(Mount(script.parent),), preload=modules))
            await workspace.close()
            return done.output

        return list(await asyncio.gather(*(one() for _ in range(4))))

    # So many others in between that the first interpreter is kept no longer and has to be started anew.
    others = [("json",), ("decimal",), ("shlex",), ("string",), ("textwrap",), ("copy",), ("heapq",), ("queue",)]
    for modules in (*others, others[0]):
        assert asyncio.run(several(modules)) == [b"ran\n"] * 4
