"""docker and podman keep the contract, and what is theirs alone holds too."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest
from tests.sandboxes.contract import LIMITS, Opener, SandboxContract, gone, make, open_files, python, shell, sleepers
from tests.sandboxes.daemons import USER, working

from worktrial.errors import SandboxError
from worktrial.sandboxes.oci import Oci, probe
from worktrial.sandboxes.oci.workspace import ContainedWorkspace
from worktrial.sandboxes.protocol import Change, Mount, Sandbox
from worktrial.sandboxes.usage import descendants

FULL = os.environ.get("WORKTRIAL_SOAK") == "full"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def docker(docker_of_our_own: None) -> None:
    """A docker that works: a daemon of our own where we may start one, else the machine's."""
    _, cause = working("docker", None)
    if cause:
        pytest.skip(f"no docker here: {cause}")


@pytest.fixture(scope="session")
def podman(podman_of_our_own: None) -> str | None:
    """The runtime that podman works with; its storage is ours where we are root."""
    runtime, cause = working("podman", None, "runc")
    if cause:
        pytest.skip(f"no podman here: {cause}")
    return runtime


class OciContract(SandboxContract):
    """What holds for containers: the contract of all, and what only they promise."""

    holds_read_only = True

    async def test_opening_and_closing_leaks_neither_files_nor_processes(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        """As in the contract, fewer times: containers take their time."""
        layer = make(tmp_path / "layer", {"a": "x"})

        async def cycle() -> None:
            workspace = await sandbox.open((layer,), LIMITS)
            await workspace.run(shell("echo x > b", report=True))
            await workspace.close()

        await cycle()
        files, processes = open_files(), len(descendants(os.getpid()))
        for _ in range(2):
            await asyncio.gather(*(cycle() for _ in range(3)))
        assert open_files() <= files
        assert len(descendants(os.getpid())) <= processes

    async def test_a_command_is_an_ordinary_user_without_capabilities(self, opened: Opener) -> None:
        script = "id -u; id -g; grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Groups)' /proc/self/status"
        done = await (await opened()).run(shell(script))
        told = done.output.decode().split()
        assert told[:2] == ["1000", "1000"] if os.geteuid() == 0 else told[0] != "0"
        assert "CapPrm: 0000000000000000 CapEff: 0000000000000000" in " ".join(told)

    async def test_the_host_is_not_there(self, opened: Opener) -> None:
        done = await (await opened()).run(
            shell(
                "ls -a /root /home/joe /work /var/lib /etc/shadow /etc/ssl/private /boot; ls /proc | grep -c '^[0-9]'"
            )
        )
        assert done.output.count(b"No such file") >= 6, done.output
        assert int(done.output.split()[-1]) < 6

    async def test_only_workspace_home_and_temporary_folders_can_be_written(self, opened: Opener) -> None:
        script = "for f in /workspace /tmp $HOME /dev/shm / /usr /etc /usr/local /var /opt /proc/sys/kernel /run; do"
        done = await (await opened()).run(shell(script + " touch $f/new 2>/dev/null && echo $f; done"))
        assert done.output.decode().split() == ["/workspace", "/tmp", "/home/agent", "/dev/shm"]

    async def test_what_runs_the_command_can_be_neither_stopped_nor_read(self, opened: Opener) -> None:
        script = """
import os, signal
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT):
    try:
        os.kill(1, number)
        print("sent")
    except PermissionError:
        pass
for name in ("mem", "fd/0", "fd/1", "fd/2", "cwd/x", "root/x"):
    for mode in (os.O_RDONLY, os.O_WRONLY):
        try:
            print("opened", name, os.open(f"/proc/1/{name}", mode | os.O_NONBLOCK))
        except OSError:
            pass
print("done")
"""
        done = await (await opened()).run(python(script))
        assert (done.ended, done.output) == ("completed", b"done\n")

    async def test_there_is_no_network(self, opened: Opener) -> None:
        script = """
import socket
for family, address in ((socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_INET6, ("2001:db8::1", 80))):
    try:
        socket.socket(family).connect(address); print("reached")
    except OSError as error:
        print("no")
"""
        done = await (await opened()).run(python(script))
        assert done.output.split() == [b"no", b"no"]

    async def test_read_only_mounts_are_read_only_and_others_are_written_as_us(
        self, opened: Opener, tmp_path: Path
    ) -> None:
        readable, writable = make(tmp_path / "r", {"f": "x"}), make(tmp_path / "w", {})
        workspace = await opened(make(tmp_path / "layer", {"a": "x"}))
        mounts = (Mount(readable), Mount(writable, writable=True))
        script = f"echo y > {readable}/f; echo y > {writable}/f; echo z >> a; grep CapEff /proc/self/status"
        done = await workspace.run(shell(script, mounts=mounts))
        assert b"Read-only" in done.output
        assert b"0000000000000000" in done.output
        assert (readable / "f").read_text() == "x"
        assert (writable / "f").read_text() == "y\n"
        assert (writable / "f").owner() == tmp_path.owner()
        assert (await workspace.run(shell("echo more >> a; cat a"))).output == b"xz\nmore\n"

    async def test_read_only_files_can_be_neither_changed_nor_replaced(self, opened: Opener, tmp_path: Path) -> None:
        files: dict[str, str | None] = {"t/deep/test_a.py": "a", "t/test_b.py": "b", "t/c": "c", "top": "top"}
        workspace = await opened(make(tmp_path / "layer", files))
        held = ("t/deep/test_a.py", "t/test_b.py", "top")
        script = (
            "for f in t/deep/test_a.py t/test_b.py top; do echo evil > $f; rm -f $f; mv $f away; chmod 777 $f; done;"
            "mv t u; mv t/deep t/other; ln -sf /etc/passwd top; rm -rf t; cat t/deep/test_a.py t/test_b.py top;"
            "echo free > t/d && echo new > t/deep/e && cat t/d t/deep/e"
        )
        done = await workspace.run(shell(f"({script}) 2>/dev/null", read_only=held))
        assert done.output == b"abtopfree\nnew\n"
        assert (await workspace.run(shell("echo now > top; cat top"))).output == b"now\n"

    async def test_a_path_behind_a_link_is_passed_over(self, opened: Opener, tmp_path: Path) -> None:
        """Or a file of the host would be shown."""
        secret = make(tmp_path / "host", {"secret": "of the host\n"}) / "secret"
        workspace = await opened()
        await workspace.run(shell(f"ln -s {secret.parent} t; echo x > f; ln -s f l; ln -s {secret} s; ln -s /etc e"))
        held = ("t/secret", "s", "e/shadow", "l", "nothing", f"../../../../..{secret}", str(secret), "../tmp/x")
        done = await workspace.run(shell(f"cat t/secret s {secret}; echo y > l; cat f", read_only=held))
        assert b"of the host" not in done.output
        assert done.output.endswith(b"\ny\n")
        assert (await workspace.run(shell("cat e/shadow", read_only=held))).exit_code == 1

    async def test_a_full_disk_is_told_apart_and_room_can_be_made(self, opened: Opener) -> None:
        workspace = await opened()
        assert (await workspace.run(shell("dd if=/dev/zero of=big bs=1M count=200"))).ended == "disk_full"
        assert (await workspace.run(shell("cat nothing"))).ended == "completed"
        assert (await workspace.run(shell("rm big; echo x > small"))).exit_code == 0
        script = "mkdir d; cd d; for i in $(seq 20000); do : > $i || exit 1; done"
        assert (await workspace.run(shell(script, 60))).ended == "disk_full"

    async def test_too_much_processor_time_is_told_apart(self, opened: Opener) -> None:
        workspace = await opened(limits=LIMITS.model_copy(update={"cpu_s": 1.0}))
        done = await workspace.run(shell("(while :; do :; done) & while :; do :; done", 60))
        assert (done.ended, done.exit_code) == ("cpu_exhausted", None)

    async def test_a_process_may_have_so_many_files_open(self, opened: Opener) -> None:
        workspace = await opened(limits=LIMITS.model_copy(update={"open_files": 64}))
        done = await workspace.run(python("import os\nfor _ in range(100): os.dup(0)"))
        assert b"Too many open files" in done.output

    # -- files --

    async def test_files_are_read_and_written_as_the_command_s_user(self, opened: Opener, tmp_path: Path) -> None:
        workspace = await opened(make(tmp_path / "layer", {"a": "x"}))
        await workspace.write("new/b", b"\xff\0")
        await workspace.write("a", b"y")
        await workspace.run(shell("ln -s /etc/shadow s; ln -s /etc/passwd p; ln -s b new/l; mkfifo pipe; chmod 0 a"))
        assert await workspace.read("new/l") == b"\xff\0"
        assert b"agent" in await workspace.read("p")
        assert b"agent" in await workspace.read("/etc/passwd")
        for path in ("s", "nothing", "pipe", "new", "a"):
            with pytest.raises(SandboxError, match="could not read"):
                await workspace.read(path)
        for path in ("s", "new", "/usr/x", "b/../../proc/1/mem"):
            with pytest.raises(SandboxError, match="could not write"):
                await workspace.write(path, b"z")
        await workspace.run(shell("yes | head -c 2000000 > long"))
        with pytest.raises(SandboxError, match="could not read") as caught:
            await workspace.read("long")
        assert "larger" in caught.value.cause

    async def test_changes_are_what_differs_whatever_its_times_say(self, opened: Opener, tmp_path: Path) -> None:
        layer = make(tmp_path / "layer", {"a": "aa", "b": "b", "d/x": "x", "e/y": "y", "f": "f", "m": "m", "same": "s"})
        workspace = await opened(make(tmp_path / "top", {"a": "AA"}), layer)
        assert await workspace.changes() == ()
        await workspace.run(
            shell(
                "touch -r a t; echo -n BB > a; touch -r t a; rm t b; rm -r d; mv e g; rm f; mkdir f; chmod +x m;"
                "touch same; ln -s a l; mkfifo p; mkdir empty; printf x > \"$(printf 'odd\\377\\nx')\""
            )
        )
        assert await workspace.changes() == tuple(
            Change(path, kind)  # type: ignore[arg-type]
            for path, kind in [("a", "written"), ("b", "removed"), ("d", "removed"), ("e", "removed"),
                               ("empty", "written"), ("f", "removed"), ("f", "written"), ("g/y", "written"),
                               ("l", "written"), ("m", "written"), ("odd\udcff\nx", "written")]
        )  # fmt: skip

    async def test_a_snapshot_over_its_layers_has_the_same_files(self, opened: Opener, tmp_path: Path) -> None:
        layer = make(tmp_path / "layer", {"a": "aa", "b": "b", "d/x": "x", "d/y": "y", "f": "f", "g/h": "h"})
        workspace = await opened(layer)
        await workspace.run(
            shell("echo A > a; rm b d/x; rm f; mkdir f; echo z > f/z; rm -r g; echo g > g; ln -s /etc l")
        )
        saved = await workspace.snapshot(tmp_path / "saved")
        again = await opened(saved, layer)
        listing = shell("find . | sort; cat a d/y f/z g; readlink l")
        assert (await again.run(listing)).output == (await workspace.run(listing)).output
        assert await again.changes() == ()

    async def test_a_fork_has_the_files_and_goes_its_own_way(self, opened: Opener, tmp_path: Path) -> None:
        workspace = await opened(make(tmp_path / "layer", {"a": "x", "b": "y"}))
        await workspace.run(shell("echo new > n; rm b; echo h > $HOME/h; echo t > $TMPDIR/t"))
        forked = await workspace.fork()
        try:
            await forked.run(shell("echo more >> n"))
            assert (await forked.run(shell("cat a n $HOME/h $TMPDIR/t"))).output == b"xnew\nmore\nh\nt\n"
            assert (await workspace.run(shell("cat n"))).output == b"new\n"
            assert await forked.changes() == (Change("b", "removed"), Change("n", "written"))
        finally:
            await forked.close()

    # -- what goes on --

    async def test_a_started_command_talks_while_others_run(self, opened: Opener) -> None:
        workspace = await opened()
        process = await workspace.start(shell("echo err >&2; while read line; do echo got $line; done; exit 4", 60))
        await process.send(b"one\n")
        assert await process.receive() == b"got one\n"
        assert (await workspace.run(shell("echo beside"))).output == b"beside\n"
        await process.send(b"two\n")
        assert await process.receive() == b"got two\n"
        await process.kill()
        await process.kill()
        assert (await process.wait()).exit_code is None
        assert await process.receive() == b""
        with pytest.raises(SandboxError, match="no more input"):
            await process.send(b"three\n")

    async def test_a_started_command_that_ends_says_how(self, opened: Opener) -> None:
        workspace = await opened()
        process = await workspace.start(shell("echo out; echo err >&2; exit 4", 60))
        pieces = b""
        while piece := await process.receive():
            pieces += piece
        done = await process.wait()
        assert (pieces, done.output, done.exit_code) == (b"out\n", b"err\n", 4)
        process = await workspace.start(shell("yes", 60))
        while await process.receive():
            pass
        assert (await process.wait()).ended == "output_flood"

    async def test_containers_that_are_gone_are_passed_over_and_others_stop(self, opened: Opener) -> None:
        """One may end between any two calls of the tool."""
        workspace = await opened()
        assert isinstance(workspace, ContainedWorkspace)
        process = await workspace.start(shell("while read line; do echo $line; done", 60))
        await workspace._sleeper.add("worktrial-gone-before")
        workspace._sleeper._running["worktrial-gone-after"] = 0
        await workspace.standby()
        assert len(workspace._sleeper._paused) == 1
        await process.send(b"goes on\n")
        assert await process.receive() == b"goes on\n"

    async def test_what_is_started_ends_with_the_workspace(self, sandbox: Sandbox) -> None:
        seconds = f"47.{os.getpid()}"
        workspace = await sandbox.open((), LIMITS)
        process = await workspace.start(shell(f"(setsid sleep {seconds} &) ; echo up; sleep {seconds}", 60))
        assert await process.receive() == b"up\n"
        await workspace.close()
        assert await gone(lambda: bool(sleepers(seconds)))

    async def test_in_standby_nothing_runs_and_the_next_call_resumes(self, opened: Opener) -> None:
        workspace = await opened(limits=LIMITS.model_copy(update={"standby_s": 0.5}))
        process = await workspace.start(shell("while :; do echo >> tick; sleep 0.5; done", 120))
        assert isinstance(workspace, ContainedWorkspace)
        frozen = partial(getattr, workspace, "is_frozen")
        assert await gone(lambda: not frozen(), 30)
        before = await workspace.read("tick")
        assert not frozen()
        await workspace.standby()
        assert frozen()
        await workspace.resume()
        assert not frozen()
        deadline = time.monotonic() + 30
        while await workspace.read("tick") == before:
            assert time.monotonic() < deadline, "it does not go on"
            await asyncio.sleep(0.2)
        await process.kill()


@pytest.mark.xdist_group("docker")
class TestDocker(OciContract):
    """Containers by docker."""

    @pytest.fixture
    def sandbox(self, docker: None) -> Sandbox:
        return Oci("docker")


@pytest.mark.xdist_group("docker")
class TestGvisor(OciContract):
    """Containers by docker with gVisor as their runtime, whose processes are none of the host's."""

    @pytest.fixture
    def sandbox(self, docker: None) -> Sandbox:
        if shutil.which("runsc") is None:
            pytest.skip("no gVisor here: runsc is not installed")
        runtime, cause = working("docker", "runsc")
        if cause:
            pytest.skip(f"no gVisor here: {cause}")
        return Oci("docker", runtime)

    async def test_a_cancelled_command_is_killed(self, opened: Opener) -> None:
        workspace = await opened()
        task = asyncio.create_task(workspace.run(shell("while :; do echo >> tick; sleep 0.05; done", 60)))
        while not [change for change in await workspace.changes() if change.path == "tick"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = await workspace.read("tick")
        await asyncio.sleep(0.5)
        assert await workspace.read("tick") == before


AS_AN_ORDINARY_USER = """
import asyncio, os
from pathlib import Path
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.oci import Oci
from worktrial.sandboxes.protocol import Command, Mount

async def main():
    layer, out = Path(os.environ["WORKTRIAL_CACHE"], "layer"), Path(os.environ["WORKTRIAL_CACHE"], "out")
    for folder in (layer, out):
        folder.mkdir()
    (layer / "a").write_text("a")
    workspace = await Oci("docker").open((layer,), TrialLimits())
    script = f"id -u; echo b >> a; echo x > {out}/f"
    done = await workspace.run(Command(("sh", "-c", script), 60, mounts=(Mount(out, writable=True),)))
    assert done.exit_code == 0, done
    print(done.output.decode().strip(), (out / "f").stat().st_uid)
    argv = ["sh", "-c", 'cat "$0/a" -; echo c >> "$0/a"', "{workspace}"]
    print(await workspace.host(argv, env=os.environ, data=b"in"))
    await workspace.run(Command(("sh", "-c", "echo d >> a"), 60))
    print(await workspace.read("a"))
    await workspace.close()

asyncio.run(main())
"""


@pytest.mark.xdist_group("docker")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_who_may_use_the_daemon_gets_the_same(docker: None) -> None:
    """With the system's Python: root's folders, and so its interpreters, are closed to others."""
    if not os.environ.get("DOCKER_HOST", "").startswith(f"unix://{tempfile.gettempdir()}/worktrial-oci-"):
        pytest.skip("the daemon is not ours to let others in")
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    source = Path(__file__).parents[2] / "src"
    cache = Path(tempfile.mkdtemp(prefix="worktrial-user-"))
    os.chown(cache, USER, USER)
    env = {"HOME": str(cache), "WORKTRIAL_CACHE": str(cache), "DOCKER_HOST": os.environ["DOCKER_HOST"]}
    env |= {"PYTHONPATH": f"{source}:{packages}", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    argv = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "/usr/bin/python3", "-B", "-"]
    try:
        done = subprocess.run(
            argv, input=AS_AN_ORDINARY_USER, env=env, cwd="/", capture_output=True, text=True, check=False
        )
    finally:
        shutil.rmtree(cache)
    if "No module named" in done.stderr or "Permission denied" in done.stderr.split("\n")[0]:
        pytest.skip("the system's Python cannot use this environment's packages")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{USER} {USER}", "b'ab\\nin'", "b'ab\\nc\\nd\\n'"]


KILLED = """
import asyncio
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.oci import Oci
from worktrial.sandboxes.protocol import Command

async def main():
    workspace = await Oci("docker").open((), TrialLimits())
    process = await workspace.start(Command(("sh", "-c", "echo up; exec sleep {seconds}"), 600))
    assert await process.receive() == b"up\\n"
    print("up", flush=True)
    await process.wait()

asyncio.run(main())
"""


@pytest.mark.xdist_group("docker")
def test_nothing_runs_on_when_we_are_killed(docker: None) -> None:
    seconds = f"48.{os.getpid()}"
    script = KILLED.replace("{seconds}", seconds)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
    assert asyncio.run(gone(lambda: bool(sleepers(seconds)), 30))
    asking = ["docker", "ps", "--all", "--quiet", "--filter", "label=worktrial"]

    def left() -> bool:
        return bool(subprocess.run(asking, capture_output=True, check=True).stdout)

    assert asyncio.run(gone(left, 30))


def test_a_tool_that_is_not_there_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = probe("podman")
    assert (found.works, found.cause) == (False, "podman is not installed")
    assert "apt-get install" in found.hint


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_a_daemon_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    found = probe("docker")
    assert not found.works
    assert "no.sock" in found.cause
    assert "DOCKER_HOST" in found.hint


@pytest.mark.xdist_group("docker")
def test_a_runtime_that_is_not_there_is_named(docker: None) -> None:
    found = probe("docker", "no-such-runtime")
    assert not found.works
    assert "no-such-runtime" in found.cause
    assert "runtimes" in found.hint


@pytest.mark.xdist_group("podman")
class TestPodman(OciContract):
    """Containers by podman: what hangs on the tool. Docker proves what does not; `make soak` runs all of it."""

    core = frozenset(
        {
            "test_exit_codes_signals_output_and_input_come_through",
            "test_mounts_are_seen_at_their_own_path",
            "test_a_report_can_be_added_to_and_never_taken_back",
            "test_a_command_that_does_not_end_is_a_timeout",
            "test_too_much_memory_is_told_apart",
            "test_too_many_processes_are_told_apart",
            "test_a_full_disk_is_told_apart",
            "test_a_process_is_ended_by_its_limits",
            "test_closing_a_workspace_ends_its_processes",
            "test_files_that_may_not_be_changed_stay_as_they_are",
            "test_a_path_behind_a_link_is_passed_over",
            "test_a_snapshot_over_its_layers_has_the_same_files",
            "test_a_fork_has_the_files_and_goes_its_own_way",
            "test_a_cancelled_command_is_killed",
            "test_opening_and_closing_leaks_neither_files_nor_processes",
            "test_a_host_program_works_on_the_files_and_its_failure_says_why",
            "test_layers_are_never_written_to",
            "test_a_command_is_an_ordinary_user_without_capabilities",
            "test_the_host_is_not_there",
            "test_only_workspace_home_and_temporary_folders_can_be_written",
            "test_there_is_no_network",
            "test_read_only_mounts_are_read_only_and_others_are_written_as_us",
            "test_a_started_command_that_ends_says_how",
            "test_containers_that_are_gone_are_passed_over_and_others_stop",
            "test_in_standby_nothing_runs_and_the_next_call_resumes",
        }
    )

    @pytest.fixture
    def sandbox(self, request: pytest.FixtureRequest) -> Sandbox:
        if not FULL and request.node.originalname not in self.core:
            pytest.skip("docker proves this for podman too; `make soak` runs it with podman")
        return Oci("podman", request.getfixturevalue("podman"))

    def test_every_test_of_the_core_is_there(self) -> None:
        assert [name for name in self.core if not callable(getattr(self, name, None))] == []
