"""The test kit of the sandbox contract: subclass `SandboxContract` and give it a backend.

What every kind of isolation promises is here; what only some can promise is in their own tests.
"""

from __future__ import annotations

import asyncio
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


class SandboxContract:
    """What holds for every backend."""

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
        await opened()
        before = open_files()
        workspace = await opened()
        with pytest.raises(SandboxError, match="could not start"):
            await workspace.run(Command(("echo", argument), 10, report=True))
        assert (await workspace.run(shell("echo still here"))).output == b"still here\n"
        await workspace.close()
        assert await gone(lambda: open_files() > before)

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
        done = await (await opened()).run(shell("echo before; trap '' TERM INT; sleep 41.01", 0.5))
        assert (done.ended, done.exit_code, done.output) == ("timeout", None, b"before\n")
        assert done.wall_s < 5
        assert await gone(lambda: bool(sleepers("41.01")))

    async def test_too_much_memory_is_told_apart(self, opened: Opener) -> None:
        workspace = await opened(limits=LIMITS.model_copy(update={"memory_mib": 100}))
        done = await workspace.run(python("x = bytearray(b'x' * 200_000_000); import time; time.sleep(20)"))
        assert done.ended == "out_of_memory"

    async def test_too_many_processes_are_told_apart(self, opened: Opener) -> None:
        done = await (await opened()).run(
            python("import os, time\nwhile True:\n try:\n  os.fork() or time.sleep(42.02)\n except OSError:\n  pass")
        )
        assert done.ended == "process_flood"
        assert await gone(lambda: bool(sleepers("42.02")))

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
        assert await gone(lambda: len(descendants(os.getpid())) > processes)

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
