"""The test kit of the sandbox contract: subclass `SandboxContract` and give it a backend.

What every kind of isolation promises is here; what only some can promise is in their own tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from worktrial.errors import InfrastructureError, SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.protocol import Command, Mount, Sandbox, Workspace
from worktrial.sandboxes.usage import descendants

Opener = Callable[..., Awaitable[Workspace]]
LIMITS = TrialLimits(memory_mib=512, disk_mib=32, output_mib=1, processes=40)
ESCAPES = {
    "in the background": "{} &",
    "without hanging up": "nohup {} > /dev/null 2>&1 &",
    "in a session of its own": "setsid {} &",
    "forked twice": "(setsid sh -c '{} & exit' &)",
}


def shell(script: str, timeout_s: float = 20, **options: object) -> Command:
    return Command(("sh", "-c", script), timeout_s, **options)  # type: ignore[arg-type]


def python(script: str, timeout_s: float = 20, **options: object) -> Command:
    return Command(("/usr/bin/python3", "-c", script), timeout_s, **options)  # type: ignore[arg-type]


def make(folder: Path, files: dict[str, str | None]) -> Path:
    """Write files (None: an empty folder) and return the folder."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        (path if text is None else path.parent).mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
    return folder


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def gone(running: Callable[[], bool], within_s: float = 3.0) -> bool:
    deadline = time.monotonic() + within_s
    while running() and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells when a process is gone
        await asyncio.sleep(0.02)
    return not running()


def sleepers(seconds: str) -> list[int]:
    """Return the host's processes that sleep for that long: a number nobody else uses is a name."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        try:
            if name.isdigit() and f"sleep\0{seconds}\0".encode() in Path("/proc", name, "cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


_SCRIPT = """
import json, os, sys, random, time
told = int(os.environ.pop("WORKTRIAL_REPORT_FD"))
os.environ.pop("WORKTRIAL_COMMAND", None)  # tiers that find processes by their environment give every command a name
os.write(told, b"reported")
print(json.dumps({
    "argv": sys.argv, "name": __name__, "file": __file__, "path": sys.path[0], "flags": list(sys.flags),
    "cwd": os.getcwd(), "env": dict(sorted(os.environ.items())), "stdin": sys.stdin.read(), "hash": hash("x"),
    "uid": os.getuid(), "fds": sorted(map(int, os.listdir("/proc/self/fd"))), "main": sys.modules["__main__"].__file__,
    "umask": os.umask(0o022), "tz": time.tzname, "group": os.getpgid(0) == os.getpid(),
    "package": __package__, "spec": __spec__ is None, "executable": sys.executable, "prefix": sys.prefix,
}), flush=True)
print("error", file=sys.stderr, flush=True)
import atexit
atexit.register(lambda: print("at exit", flush=True))
sys.exit(5)
"""

_ENDS = {
    "at the end of the file": "import sys; print('out'); print('err', file=sys.stderr)",
    "with a message": "import sys; print('out'); sys.exit('a message')",
    "with a number": "import sys; sys.exit(300)",
    "with nothing": "import sys; print('out'); sys.exit()",
    "with an error": "print('out'); 1 / 0",
    "with what was registered": "import atexit; atexit.register(print, 'first'); atexit.register(print, 'second')",
    "with an error in what was registered": (
        "import atexit\n"
        "class Fails:\n"
        "    __repr__ = lambda self: 'it'\n"
        "    __call__ = lambda self: 1 / 0\n"
        "atexit.register(Fails()); print('out')"
    ),
    "when its threads have": (
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\n"
        "threading.Thread(target=lambda: (time.sleep(60), print('never')), daemon=True).start()\n"
    ),
    "when its pools have": (
        "import concurrent.futures, time\n"
        "pool = concurrent.futures.ThreadPoolExecutor(2)\n"
        "pool.submit(lambda: (time.sleep(0.2), print('pool')))\n"
    ),
    "with its output closed": "import sys; print('out'); sys.stdout.close()",
    "where its output cannot be written": "import os; print('out'); os.close(1); os.close(2)",
    "at once": "import os; print('lost'); os._exit(3)",
}
"""Scripts, by how they end."""


class SandboxContract:
    """What holds for every backend. A backend gives `sandbox` and says of itself what is not so for it."""

    processes_ready = 0
    """Processes that it may hold ready for commands to come."""
    holds_read_only = False
    """Whether files of `Command.read_only` cannot be changed; otherwise that is only a wish."""

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def opened(self, sandbox: Sandbox) -> AsyncIterator[Opener]:
        workspaces: list[Workspace] = []

        async def open_one(*layers: Path, limits: TrialLimits = LIMITS) -> Workspace:
            workspaces.append(await sandbox.open(layers, limits))
            return workspaces[-1]

        yield open_one
        for workspace in workspaces:
            await workspace.close()

    # -- commands --

    async def test_a_command_runs_in_the_workspace_with_a_small_environment(
        self, opened: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("A_SECRET", "of the host")
        workspace = await opened()
        done = await workspace.run(shell("pwd; env", env={"MORE": "given"}))
        assert (done.ended, done.exit_code) == ("completed", 0)
        lines = done.output.decode().splitlines()
        assert lines[0] == str(workspace.root)
        assert "MORE=given" in lines
        assert not [line for line in lines if "SECRET" in line]

    async def test_exit_codes_signals_output_and_input_come_through(self, opened: Opener) -> None:
        workspace = await opened()
        done = await workspace.run(shell("cat; echo err >&2; printf '\\377\\000'; exit 7", stdin=b"in\n"))
        assert (done.exit_code, done.output) == (7, b"in\nerr\n\xff\x00")
        done = await workspace.run(shell("kill -SEGV $$"))
        assert done.ended == "completed"
        assert done.exit_code in (-11, 139)

    async def test_input_that_is_not_read_is_no_failure(self, opened: Opener) -> None:
        done = await (await opened()).run(shell("exec <&-; sleep 0.05", stdin=b"x" * 3_000_000))
        assert (done.ended, done.exit_code) == ("completed", 0)

    @pytest.mark.parametrize(("argv", "code"), [("no-such-program", 127), ("/etc/passwd", 126)])
    async def test_a_program_that_cannot_be_started_is_an_exit_code(self, opened: Opener, argv: str, code: int) -> None:
        done = await (await opened()).run(Command((argv,), 10))
        assert (done.ended, done.exit_code) == ("completed", code)
        assert argv.encode() in done.output

    @pytest.mark.parametrize("argument", ["nul\0", "lone \ud800", "x" * 3_000_000], ids=["nul", "surrogate", "long"])
    async def test_arguments_that_no_program_can_be_given_are_an_error_of_ours(
        self, opened: Opener, argument: str
    ) -> None:
        workspace = await opened()
        before = open_files()
        for _ in range(20):
            with pytest.raises(SandboxError, match="could not start"):
                await workspace.run(Command(("echo", argument), 10, report=True))
        assert (await workspace.run(shell("echo still here"))).output == b"still here\n"
        await workspace.close()
        assert await gone(lambda: open_files() >= before + 20), "what is held ready is fewer, and comes when it can"

    async def test_mounts_are_seen_at_their_own_path(self, opened: Opener, tmp_path: Path) -> None:
        path = make(tmp_path / "mount ed, here:", {"file": "x"})
        done = await (await opened()).run(shell(f"cat '{path}/file'", mounts=(Mount(path),)))
        assert done.output == b"x"

    # -- the report --

    async def test_a_report_can_be_added_to_and_never_taken_back(self, opened: Opener) -> None:
        script = """
import os
report = int(os.environ["WORKTRIAL_REPORT_FD"])
for number in range(500):
    os.write(report, b"line %d\\n" % number)
    for mode in (os.O_RDONLY, os.O_RDWR):
        try:
            again = os.open(f"/proc/self/fd/{report}", mode | os.O_NONBLOCK)
            os.read(again, 4096)
            os.close(again)
        except OSError:
            pass
try:
    os.ftruncate(report, 0)
except OSError:
    pass
try:
    assert os.read(report, 10) == b""
except OSError:
    pass
"""
        done = await (await opened()).run(python(script, report=True))
        assert done.exit_code == 0, done.output
        assert done.report == b"".join(b"line %d\n" % number for number in range(500))

    async def test_a_report_is_capped_and_its_writer_is_not_kept_waiting(self, opened: Opener) -> None:
        script = (
            "import os; fd = int(os.environ['WORKTRIAL_REPORT_FD'])\nfor _ in range(80): os.write(fd, b'x' * 2**20)"
        )
        done = await (await opened()).run(python(script, report=True))
        assert done.exit_code == 0, done.output
        assert len(done.report) <= 64 * 1024 * 1024

    # -- limits --

    async def test_a_command_that_does_not_end_is_a_timeout(self, opened: Opener) -> None:
        seconds = f"41.{os.getpid()}"
        done = await (await opened()).run(shell(f"echo before; trap '' TERM INT; sleep {seconds}", 0.5))
        assert (done.ended, done.exit_code, done.output) == ("timeout", None, b"before\n")
        assert done.wall_s < 5
        assert await gone(lambda: bool(sleepers(seconds)))

    async def test_too_much_memory_is_told_apart(self, opened: Opener) -> None:
        workspace = await opened(limits=LIMITS.model_copy(update={"memory_mib": 100}))
        done = await workspace.run(python("x = bytearray(b'x' * 200_000_000); import time; time.sleep(20)"))
        assert done.ended == "out_of_memory"

    async def test_too_many_processes_are_told_apart(self, opened: Opener) -> None:
        seconds = f"42.{os.getpid()}"
        bomb = (
            "import os\nwhile True:\n try:\n  os.fork() or os.execlp('sleep', 'sleep', '{}')\n except OSError:\n  pass"
        )
        done = await (await opened()).run(python(bomb.format(seconds)))
        assert done.ended == "process_flood"
        assert await gone(lambda: bool(sleepers(seconds)))

    async def test_too_much_output_is_told_apart(self, opened: Opener) -> None:
        done = await (await opened()).run(shell("yes"))
        assert done.ended == "output_flood"
        assert len(done.output) < 1024 * 1024

    async def test_long_output_keeps_its_beginning_and_end(self, opened: Opener) -> None:
        done = await (await opened()).run(shell("echo first; yes | head -c 900000; echo last"))
        assert done.exit_code == 0
        assert done.output.startswith(b"first\n")
        assert done.output.endswith(b"last\n")
        assert b"bytes cut" in done.output

    async def test_too_much_processor_time_is_told_apart(self, opened: Opener) -> None:
        workspace = await opened(limits=LIMITS.model_copy(update={"cpu_s": 1.0}))
        done = await workspace.run(python("import time\nwhile True: time.monotonic()", 60))
        assert done.ended == "cpu_exhausted"
        assert done.wall_s < 30

    async def test_a_process_may_open_so_many_files_and_no_more(self, opened: Opener) -> None:
        workspace = await opened(limits=LIMITS.model_copy(update={"open_files": 50}))
        script = "import os\nfor n in range(100):\n try: os.dup(0)\n except OSError: print(n < 50); break"
        assert (await workspace.run(python(script))).output == b"True\n"

    async def test_a_full_disk_is_told_apart(self, opened: Opener) -> None:
        workspace = await opened()
        done = await workspace.run(shell("dd if=/dev/zero of=big bs=1M count=200", 60))
        assert done.ended == "disk_full"
        assert (await workspace.run(shell("rm -f big; echo x > small"))).exit_code == 0

    # -- commands that live on --

    async def test_a_process_answers_while_other_commands_run(self, opened: Opener) -> None:
        workspace = await opened()
        process = await workspace.start(shell("echo ready; while read line; do echo got $line; done; exit 3", 60))
        assert await process.receive() == b"ready\n"
        for word in ("one", "two"):
            assert (await workspace.run(shell("echo meanwhile"))).output == b"meanwhile\n"
            await process.send(f"{word}\n".encode())
            assert await process.receive() == f"got {word}\n".encode()
        await process.kill()
        assert await process.receive() == b""
        with pytest.raises(SandboxError):
            await process.send(b"more\n")

    async def test_a_process_that_ends_says_how_and_what_it_complained_of(self, opened: Opener) -> None:
        workspace = await opened()
        process = await workspace.start(shell("read it; echo $it; echo sorry >&2; exit 3", 60, stdin=b"first\n"))
        assert await process.receive() == b"first\n"
        done = await process.wait()
        assert (done.ended, done.exit_code, done.output) == ("completed", 3, b"sorry\n")
        assert await process.receive() == b""

    async def test_a_process_is_ended_by_its_limits(self, opened: Opener) -> None:
        workspace = await opened()
        seconds = f"47.{os.getpid()}"
        process = await workspace.start(shell(f"echo on; sleep {seconds}", 0.5))
        assert await process.receive() == b"on\n"
        assert (await process.wait()).ended == "timeout"
        assert await gone(lambda: bool(sleepers(seconds)))

    async def test_closing_a_workspace_ends_its_processes(self, sandbox: Sandbox) -> None:
        seconds = f"48.{os.getpid()}"
        workspace = await sandbox.open((), LIMITS)
        process = await workspace.start(shell(f"(setsid sleep {seconds} &); echo on; sleep {seconds}", 60))
        assert await process.receive() == b"on\n"
        assert await gone(lambda: len(sleepers(seconds)) < 2)
        await workspace.close()
        assert await gone(lambda: bool(sleepers(seconds)))

    async def test_a_program_that_is_not_there_cannot_be_talked_to(self, opened: Opener) -> None:
        workspace = await opened()
        process = await workspace.start(Command(("no-such-program",), 10))
        done = await process.wait()
        assert done.exit_code == 127
        assert b"no-such-program" in done.output

    async def test_what_stands_by_goes_on_when_it_is_asked_again(self, opened: Opener) -> None:
        workspace = await opened()
        count = "i=0; while true; do i=$((i+1)); echo $i > count; sleep 0.01; done"
        process = await workspace.start(shell(f"({count}) & echo on; read line; echo back", 60))
        assert await process.receive() == b"on\n"
        await workspace.standby()
        await workspace.resume()
        await process.send(b"x\n")
        assert await process.receive() == b"back\n"
        assert (await workspace.run(shell("echo as ever"))).output == b"as ever\n"

    # -- files --

    async def test_files_are_written_and_read_with_their_folders_made(self, opened: Opener) -> None:
        workspace = await opened()
        data = bytes(range(256)) * 1000
        await workspace.write("new/deep/file.bin", data)
        assert await workspace.read("new/deep/file.bin") == data
        assert await workspace.read(f"{workspace.root}/new/deep/file.bin") == data
        done = await workspace.run(shell("wc -c < new/deep/file.bin; echo more >> new/deep/file.bin"))
        assert done.output == b"256000\n"
        await workspace.write("new/deep/file.bin", b"")
        assert await workspace.read("new/deep/file.bin") == b""

    @pytest.mark.parametrize("path", ["nothing", "folder", "pipe", "no/such/folder", "large"])
    async def test_what_cannot_be_read_is_an_error_that_names_it(self, opened: Opener, path: str) -> None:
        workspace = await opened()
        await workspace.run(shell("mkdir folder; mkfifo pipe; head -c 1100000 /dev/zero > large"))
        with pytest.raises(SandboxError, match=f"could not read {path}"):
            await workspace.read(path)

    async def test_links_never_lead_to_the_host_s_files(self, opened: Opener, tmp_path: Path) -> None:
        secret = make(tmp_path / "host", {"secret": "of the host\n"}) / "secret"
        workspace = await opened()
        await workspace.run(shell(f"ln -s {secret} link; ln -s {secret.parent} folder; ln -s file here; echo > file"))
        for path in ("link", "folder/secret", f"../../../../..{secret}", str(secret)):
            if workspace.tier != "none":
                with pytest.raises(SandboxError):
                    await workspace.read(path)
        await workspace.write("here", b"by a link")
        assert await workspace.read("file") == b"by a link"
        if workspace.tier != "none":
            with contextlib.suppress(SandboxError):
                await workspace.write("link", b"overwritten")
            assert secret.read_text() == "of the host\n"

    async def test_files_that_may_not_be_changed_stay_as_they_are(self, opened: Opener, tmp_path: Path) -> None:
        workspace = await opened(make(tmp_path / "layer", {"tests/deep/t.py": "test", "src/a.py": "a"}))
        script = (
            "echo cheat > tests/deep/t.py; rm -f tests/deep/t.py; mv tests elsewhere; mv tests/deep tests/other;"
            "echo evil > evil; mv evil tests/deep/t.py; ln -f evil tests/deep/t.py; chmod 777 tests/deep/t.py;"
            "rm -rf tests; cat tests/deep/t.py; echo b > src/a.py; echo c > tests/deep/new.py"
        )
        done = await workspace.run(shell(script, read_only=("tests/deep/t.py", "not/there.py")))
        if self.holds_read_only:
            assert done.output.endswith(b"test"), done.output
            assert await workspace.read("tests/deep/t.py") == b"test"
            assert (
                await workspace.run(shell("cat src/a.py; echo x > tests/deep/t.py; cat tests/deep/t.py"))
            ).output == (b"b\nx\n")

    # -- changes, snapshots, forks --

    async def test_changes_are_what_differs_from_the_layers(self, opened: Opener, tmp_path: Path) -> None:
        files: dict[str, str | None] = {
            "same": "s", "edited": "e", "gone": "g", "dir/a": "a", "dir/b": "b", "lost/x": "x", "lost/y/z": "z",
            "touched": "t", "swap/x": "x", "flat": "f", "mode": "m",
        }  # fmt: skip
        lower = make(tmp_path / "lower", files)
        upper = make(tmp_path / "upper", {"edited": "upper", "dir/c": "c"})
        (lower / "link").symlink_to("same")
        workspace = await opened(upper, lower)
        assert await workspace.changes() == ()
        await workspace.run(
            shell(
                "echo more >> edited; rm gone dir/b; rm -r lost; touch touched; mkdir empty new; echo n > new/n;"
                "rm -r swap; echo s > swap; rm flat; mkdir flat; echo x > flat/x; ln -sf edited link; chmod +x mode;"
                "printf 'odd\\n' > \"$(printf 'by\\377te')\"; mkdir -p dir/d; rmdir dir/d"
            )
        )
        found = {change.path: change.kind for change in await workspace.changes()}
        wanted = {
            "edited": "written", "gone": "removed", "dir/b": "removed", "lost": "removed", "empty": "written",
            "new/n": "written", "swap": "written", "flat/x": "written", "link": "written", "mode": "written",
            "by\udcffte": "written",
        }  # fmt: skip
        assert {path: kind for path, kind in found.items() if path != "flat"} == wanted
        listed = [change.path for change in await workspace.changes()]
        assert listed == sorted(listed)

    async def test_a_snapshot_over_the_same_layers_is_the_same_workspace(
        self, sandbox: Sandbox, opened: Opener, tmp_path: Path
    ) -> None:
        lower = make(tmp_path / "lower", {"a": "a", "gone": "g", "lost/x": "x", "lost/y": "y", "dir/b": "b", "f": "f"})
        workspace = await opened(lower)
        await workspace.run(
            shell(
                "echo more >> a; rm gone; rm -r lost; mkdir lost; echo z > lost/z; ln -s a link; ln a hard; rm f;"
                "mkdir f; echo in > f/in; cp /bin/sh set; chmod u+s set; mkfifo pipe; echo >> dir/b;"
                "touch -d 2001-01-01 dir/b;"
                "truncate -s 3M hole; echo > 'odd name, with:marks'"
            )
        )
        snapshot = await workspace.snapshot(tmp_path / "snapshot")
        again = await opened(snapshot, lower)
        listing = "find . ! -name pipe ! -name set | sort; cat a lost/z f/in; readlink link; stat -c %Y dir/b"
        assert (await again.run(shell(listing))).output == (await workspace.run(shell(listing))).output
        done = await again.run(shell("test -u set && echo setuid; test -p pipe && echo pipe; test -x set && echo fine"))
        assert done.output == b"fine\n"
        assert await again.changes() == ()
        done = await again.run(shell("rm -r lost; rm a; echo gone > gone; echo new > new"))
        assert done.exit_code == 0, done.output
        second = await again.snapshot(tmp_path / "second")
        third = await opened(second, snapshot, lower)
        assert (await third.run(shell("ls; cat gone new"))).output.decode().split() == [
            "dir", "f", "gone", "hard", "hole", "link", "new", "odd", "name,", "with:marks", "set", "gone", "new",
        ]  # fmt: skip

    async def test_a_fork_has_the_same_files_and_goes_its_own_way(self, opened: Opener, tmp_path: Path) -> None:
        workspace = await opened(make(tmp_path / "layer", {"a": "a", "b": "b"}))
        await workspace.run(shell("echo more >> a; rm b; echo c > c"))
        fork = await workspace.fork()
        try:
            assert (await fork.run(shell("ls; cat a"))).output == b"a\nc\namore\n"
            await fork.run(shell("echo fork > c"))
            await workspace.run(shell("echo mine > d"))
            assert await workspace.read("c") == b"c\n"
            with pytest.raises(SandboxError):
                await fork.read("d")
        finally:
            await fork.close()
        assert await workspace.read("c") == b"c\n"

    # -- warm interpreters --

    async def test_a_script_with_modules_to_load_runs_as_it_would_without(self, opened: Opener, tmp_path: Path) -> None:
        script = make(tmp_path / "tool", {"script.py": _SCRIPT}) / "script.py"
        workspace = await opened(make(tmp_path / "layer", {"a.py": "print('not this one')"}))
        given = {"env": {"MORE": "given", "TZ": "UTC", "PYTHONHASHSEED": "7"}, "mounts": (Mount(script.parent),)}
        argv = ("/usr/bin/python3", str(script), "an argument", "b\n")
        results = []
        for preload in ((), ("json", "decimal"), ("json", "decimal")):
            command = Command(argv, 30, stdin=b"in", report=True, preload=preload, **given)  # type: ignore[arg-type]
            done = await workspace.run(command)
            results.append((done.ended, done.exit_code, done.output, done.report))
        assert results[0][:2] == ("completed", 5), results[0]
        assert results[1] == results[2] == results[0]

    @pytest.mark.parametrize("end", _ENDS)
    async def test_a_script_with_modules_to_load_ends_as_it_would_without(
        self, opened: Opener, tmp_path: Path, end: str
    ) -> None:
        script = make(tmp_path / "tool", {"script.py": _ENDS[end]}) / "script.py"
        workspace = await opened()
        results = []
        for preload in ((), ("json",)):
            argv = ("/usr/bin/python3", str(script))
            done = await workspace.run(Command(argv, 30, mounts=(Mount(script.parent),), preload=preload))
            results.append((done.ended, done.exit_code, done.output))
        assert results[1] == results[0]

    # -- what is left behind --

    @pytest.mark.parametrize("escape", ESCAPES)
    async def test_nothing_outlives_a_command(self, opened: Opener, escape: str) -> None:
        seconds = f"43.{list(ESCAPES).index(escape)}{os.getpid()}"
        workspace = await opened()
        done = await workspace.run(shell(ESCAPES[escape].format(f"sleep {seconds}") + "\nsleep 0.1; exit 3"))
        assert (done.ended, done.exit_code) == ("completed", 3)
        assert await gone(lambda: bool(sleepers(seconds)), 1.0)

    async def test_a_cancelled_command_is_killed(self, opened: Opener) -> None:
        seconds = f"44.{os.getpid()}"
        workspace = await opened()
        task = asyncio.create_task(
            workspace.run(shell(f"(setsid sleep {seconds} &); sleep {seconds}", 60, report=True))
        )
        assert await gone(lambda: len(sleepers(seconds)) < 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await gone(lambda: bool(sleepers(seconds)), 1.0)
        assert (await workspace.run(shell("echo usable"))).output == b"usable\n"

    async def test_a_cancelled_host_program_is_killed(self, opened: Opener) -> None:
        seconds = f"45.{os.getpid()}"
        workspace = await opened()
        task = asyncio.create_task(workspace.host(["sleep", seconds], env=os.environ))
        assert await gone(lambda: not sleepers(seconds))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await gone(lambda: bool(sleepers(seconds)), 1.0)

    async def test_opening_and_closing_leaks_neither_files_nor_processes(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        layer = make(tmp_path / "layer", {"a": "x"})

        async def cycle() -> None:
            workspace = await sandbox.open((layer,), LIMITS)
            await workspace.run(shell("echo x > b", report=True))
            await workspace.close()

        await cycle()
        files, processes = open_files(), len(descendants(os.getpid()))
        for _ in range(25):
            await asyncio.gather(*(cycle() for _ in range(4)))
        assert await gone(lambda: open_files() > files)
        assert await gone(lambda: len(descendants(os.getpid())) > processes + self.processes_ready)

    async def test_workspaces_of_several_tasks_know_nothing_of_each_other(self, opened: Opener) -> None:
        one, other = await opened(), await opened()
        await one.run(shell("echo mine > file; echo mine > $TMPDIR/file; echo mine > $HOME/file"))
        done = await other.run(shell("ls -A . $TMPDIR $HOME"))
        assert b"file" not in done.output

    # -- host --

    async def test_a_host_program_works_on_the_files_and_its_failure_says_why(self, opened: Opener) -> None:
        workspace = await opened()
        await workspace.run(shell("echo inside > file"))
        out = await workspace.host(["sh", "-c", 'cat "$0/file" - "$X/file"', "{workspace}"],
                                   env={**os.environ, "X": "{workspace}"}, data=b"data\n")  # fmt: skip
        assert out == b"inside\ndata\ninside\n"
        with pytest.raises(InfrastructureError, match="cat failed") as caught:
            await workspace.host(["cat", "{workspace}/nothing"], env=os.environ)
        assert "No such file" in caught.value.cause

    # -- layers --

    async def test_upper_layers_hide_lower_ones(self, opened: Opener, tmp_path: Path) -> None:
        lower = make(tmp_path / "lower", {"a": "low", "b": "low", "d/x": "low", "f": "file", "g/y": "low"})
        (lower / "l").symlink_to("/etc")
        (lower / "m").symlink_to(tmp_path / "outside")
        upper = make(tmp_path / "upper", {"a": "up", "d/y": "up", "f/z": "up", "g": "up", "l/n": "up", "m": "up"})
        top = make(tmp_path / "top", {"a": "top"})
        done = await (await opened(top, upper, lower)).run(shell("cat a b d/x d/y f/z g l/n m"))
        assert done.output == b"toplowlowupupupupup"
        assert not (tmp_path / "outside").exists()

    @pytest.mark.parametrize("odd", ["a:b", "a,b", "a b", "a\\b", 'a"b', "a\nb", "ü", "a,b:c\\d"])
    async def test_layers_may_lie_anywhere(self, opened: Opener, tmp_path: Path, odd: str) -> None:
        upper, lower = make(tmp_path / odd / "up", {"x": "up"}), make(tmp_path / odd / "low", {"x": "low", "y": "low"})
        done = await (await opened(upper, lower)).run(shell("cat x y"))
        assert done.output == b"uplow"

    async def test_there_may_be_many_layers(self, opened: Opener, tmp_path: Path) -> None:
        layers = [make(tmp_path / f"{'layer' * 20}{n}", {f"f{n}": str(n), "all": str(n)}) for n in range(40)]
        done = await (await opened(*layers)).run(shell("ls | wc -l; cat all"))
        assert done.output == b"41\n0"

    @pytest.mark.parametrize("odd", ["plain", "with,comma"])
    async def test_layers_are_never_written_to(self, opened: Opener, tmp_path: Path, odd: str) -> None:
        layer = make(tmp_path / odd, {"a": "a", "dir/b": "b", "gone/c": "c", "ro": "ro"})
        (layer / "ro").chmod(0o444)
        (layer / "link").symlink_to("a")

        def state() -> list[tuple[str, int, float, str]]:
            found = sorted(path for path in layer.rglob("*") if not path.is_symlink())
            return [
                (str(path), path.stat().st_mode, path.stat().st_mtime, path.read_text() if path.is_file() else "")
                for path in found
            ]

        before = state()
        done = await (await opened(layer)).run(
            shell(
                "set -e; echo more >> a; ln a hard; echo hard > hard; chmod 777 dir/b; mv dir moved; rm -r gone;"
                "rm -f ro; echo new > ro; echo through > link; touch -d 2001-01-01 moved/b;"
                "mkdir gone; cat hard ro; ls -A gone"
            )
        )
        assert (done.exit_code, done.output) == (0, b"through\nnew\n")
        assert state() == before

    async def test_what_commands_write_is_there_for_the_next_one(self, opened: Opener, tmp_path: Path) -> None:
        workspace = await opened(make(tmp_path / "layer", {"a": "x"}))
        await workspace.run(shell("echo y > b; rm a"))
        assert (await workspace.run(shell("ls"))).output == b"b\n"
