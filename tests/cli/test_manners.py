"""What every command has in common: help, errors, colours, streams."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.e2e.workshop import Shell

COMMANDS = [
    *("mine", "validate", "review", "refresh", "describe", "run", "grade", "report", "compare", "gate", "export"),
    *("demo", "doctor"),
]


def tools(folder: Path, *without: str) -> str:
    """Return a PATH with the programs that worktrial calls, some of them left out."""
    folder.mkdir()
    for name in (
        "git",
        "sh",
        "cat",
        "mount",
        "mkdir",
        "chmod",
        "cp",
        "tar",
        "find",
        "stat",
        "true",
    ):
        found = shutil.which(name)
        if found is not None and name not in without:
            (folder / name).symlink_to(found)
    return str(folder)


def on_a_terminal(shell: Shell, *args: object, **env: str) -> bytes:
    """Return what a command shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        shell.argv(*args),
        cwd=shell.folder,
        env={**shell.env, "TERM": "xterm-256color", **env},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    process.wait(timeout=60)
    os.close(ours)
    return shown


# -- help --


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(shell: Shell, command: str) -> None:
    ended = shell.cold(command, "-h")
    assert ended.code == 0, ended.err
    assert f"worktrial {command}" in ended.out
    assert ended.err == ""


def test_help_lists_every_command_and_imports_none(shell: Shell) -> None:
    ended = shell.cold("--help")
    assert ended.code == 0
    assert all(f"  {command} " in ended.out for command in COMMANDS)
    program = (
        "import sys\nfrom worktrial.cli.main import main\nsys.argv = ['worktrial', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'pydantic', 'rich', 'numpy', 'aiohttp', 'scipy', 'asyncio', 'jinja2', 'uv'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for args in (
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["validate", "--help"],
        ["review", "--help"],
        ["refresh", "--help"],
        ["describe", "--help"],
        ["grade", "--help"],
        ["doctor", "--help"],
    ):
        done = subprocess.run([sys.executable, "-c", program, *args], env=shell.env, capture_output=True, check=False)
        assert done.returncode == 0, (args, done.stderr)


def test_called_with_nothing_it_says_how_it_is_called(shell: Shell) -> None:
    ended = shell.cold()
    assert ended.code == 4
    assert "Usage: worktrial" in ended.out + ended.err
    assert "error:" not in ended.err


def test_a_mistyped_command_or_option_gets_a_suggestion(shell: Shell) -> None:
    assert shell("validat").is_clean_error("validat", "did you mean 'validate'?", code=4)
    assert shell("run", "x", "--trial", "3").is_clean_error("--trial", code=4)
    assert shell("run", "x", "--agent", "nop").is_clean_error("--out", "hint: see worktrial run --help", code=4)
    assert shell("validate", "x", "--runs", "0").is_clean_error("--runs", code=4)


@pytest.mark.parametrize("args", ["gaet a --baseline b", "--nope gate a", "gate --misspelt", "gate a", "export a"])
def test_a_call_that_is_wrong_is_never_a_verdict(shell: Shell, args: str) -> None:
    """Exit code 2 is the gate's *inconclusive*, which a pipeline may let pass; so a slip may not have it, anywhere."""
    assert shell(*args.split()).code == 4


# -- what is not there --


@pytest.mark.parametrize("command", [["validate"], ["run", "--agent", "nop", "--out", "run"]])
@pytest.mark.parametrize("what", ["nothing", "file", "folder"])
def test_what_is_no_suite_is_said_to_be_none(shell: Shell, command: list[str], what: str) -> None:
    path = shell.folder / "it"
    if what == "file":
        path.write_text("x")
    elif what == "folder":
        path.mkdir()
    assert shell(command[0], path, *command[1:]).is_clean_error("suite", str(path))
    assert not (shell.folder / "run").exists()


@pytest.mark.parametrize("what", ["nothing", "file", "folder"])
def test_what_is_no_run_is_said_to_be_none(shell: Shell, what: str) -> None:
    path = shell.folder / "it"
    if what == "file":
        path.write_text("x")
    elif what == "folder":
        path.mkdir()
    assert shell("grade", path).is_clean_error("there is no run", str(path))


def test_an_unknown_sandbox_is_refused(suite: Path, shell: Shell) -> None:
    assert shell("validate", suite, "--sandbox", "jail").is_clean_error("jail", "namespaces", code=4)


FORBIDDING = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'


class WithoutNamespaces(Shell):
    """Calls `worktrial` where the kernel gives no user namespaces."""

    def argv(self, *args: object) -> list[str]:
        return ["unshare", "--user", "--map-root-user", "sh", "-c", FORBIDDING, "sh", *super().argv(*args)]

    __call__ = Shell.cold


@pytest.fixture
def forbidding(session_cache: Path, tmp_path: Path) -> Shell:
    made = WithoutNamespaces(session_cache, tmp_path / "shell")
    tried = subprocess.run([*made.argv()[:6], "sh", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"namespaces cannot be forbidden here: {tried.stderr.decode().strip()}")
    return made


@pytest.mark.parametrize("command", [["validate"], ["run", "--agent", "nop", "--out", "run"]])
def test_without_isolation_nothing_is_run_unless_told_so(suite: Path, forbidding: Shell, command: list[str]) -> None:
    ended = forbidding(command[0], suite, *command[1:], "--sandbox", "namespaces")
    assert ended.is_clean_error("namespaces do not work", "max_user_namespaces", "--sandbox none")
    assert "with your files, keys and network in reach" in ended.err
    assert not (forbidding.folder / "run").exists()


def test_where_user_namespaces_are_forbidden_one_can_do_without(suite: Path, forbidding: Shell) -> None:
    told = forbidding("run", suite, "--agent", "oracle", "--out", "run", "--sandbox", "none", "--json")
    assert told.json["agents"]["oracle"]["rate"] == 1, told.err
    assert "warning: no isolation" in told.err
    assert "with your files, keys and network in reach" in told.err


def test_without_git_it_says_so(suite: Path, shell: Shell, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "git")
    for command in (["mine", ".", "--suite", "s"], ["run", suite, "--agent", "nop", "--out", "run"]):
        assert shell(*command, env={"PATH": path}).is_clean_error("git", "worktrial doctor")


def test_what_cannot_be_written_is_an_error(suite: Path, shell: Shell) -> None:
    run = ["run", suite, "--agent", "nop", "--out"]
    assert shell(*run, "/proc/nowhere/run").is_clean_error("/proc/nowhere")
    assert shell(*run, "run", env={"WORKTRIAL_CACHE": "/proc/nowhere"}).is_clean_error("/proc/nowhere")
    assert shell("validate", suite, "--runs", "2", env={"WORKTRIAL_CACHE": "/proc/nowhere"}).is_clean_error(
        "/proc/nowhere"
    )


# -- doctor --


def test_doctor_finds_a_machine_that_has_all_in_order(shell: Shell) -> None:
    ended = shell("doctor", "--json")
    assert ended.code == 0, ended.out + ended.err
    assert ended.json["ok"]
    names = [finding["name"] for finding in ended.json["findings"]]
    tiers = [f"sandbox {tier}" for tier in ("namespaces", "podman", "docker", "landlock")]
    assert names[:8] == ["git", "uv", "Python", "Go", *tiers]
    assert all(finding["ok"] or not finding["needed"] for finding in ended.json["findings"])
    assert all(finding["found"] for finding in ended.json["findings"])
    assert (
        len([finding for finding in ended.json["findings"] if finding["needed"] and "sandbox" in finding["name"]]) == 1
    )


@pytest.mark.parametrize(
    ("missing", "failing"),
    [("git", "git")],
)
def test_doctor_names_the_remedy_for_what_is_missing(shell: Shell, tmp_path: Path, missing: str, failing: str) -> None:
    path = tools(tmp_path / "bin", missing)
    ended = shell("doctor", "--json", env={"PATH": path})
    bad = {finding["name"]: finding for finding in ended.json["findings"] if not finding["ok"]}
    assert "install" in bad[failing]["remedy"]
    # A tier is only needed as long as no other works.
    assert ended.code == int(any(finding["needed"] for finding in bad.values())), ended.err
    assert ended.code == 1 or missing != "git"
    said = shell("doctor", env={"PATH": path})
    assert said.out.count("remedy: ") == len(bad)
    assert "Traceback" not in said.err


# -- streams --


def test_colours_are_for_terminals_that_want_them(shell: Shell) -> None:
    for args in (("doctor",), ("validate", "nowhere")):
        assert b"\x1b[" in on_a_terminal(shell, *args)
        assert b"\x1b[" not in on_a_terminal(shell, *args, NO_COLOR="1")
        plain = shell(*args)
        assert "\x1b" not in plain.out + plain.err


def test_a_terminal_sees_progress_and_the_outcome_of_each_trial(suite: Path, shell: Shell) -> None:
    asked = ("run", suite, "--agent", "oracle", "--agent", "nop", "--out", "run")
    shown = on_a_terminal(shell, *asked, COLUMNS="120").decode()
    assert "oracle fix #1: solved" in shown
    assert "4/4" in shown or "3/4" in shown
    assert re.search(r"solved: oracle \d of \d, nop 0 of \d", shown)


def test_a_terminal_sees_what_a_validation_is_doing(suite: Path, shell: Shell) -> None:
    """The first candidate can take minutes, in which a count of 0 alone looks like a hang."""
    shown = on_a_terminal(shell, "validate", suite, "--runs", "2", COLUMNS="120").decode()
    assert "0 accepted; running tests" in shown or "0 accepted; measuring what tests run" in shown


def test_a_reader_that_goes_away_is_no_reason_to_complain(shell: Shell, suite: Path) -> None:
    for args in (["doctor"], ["--help"], ["run", suite, "--agent", "nop", "--out", "run", "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            shell.argv(*args), cwd=shell.folder, env=shell.env, stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert b"Traceback" not in done.stderr, done.stderr
        assert b"Exception ignored" not in done.stderr, done.stderr


def test_when_nobody_reads_the_talk_work_ends_without_a_word(shell: Shell, suite: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        shell.argv("run", suite, "--agent", "nop", "--out", "run"),
        cwd=shell.folder, env=shell.env, stdout=subprocess.PIPE, stderr=writer, check=False, timeout=60,
    )  # fmt: skip
    os.close(writer)
    assert b"Traceback" not in done.stdout
    again = shell("run", suite, "--agent", "nop", "--out", "run", "--json")
    assert again.json["agents"]["nop"]["trials"] == 2, again.err


def test_a_terminal_that_only_knows_latin_letters_is_enough(suite: Path, shell: Shell) -> None:
    (shell.folder / "worktrial.toml").write_text(
        "[agents.ünï]\nkind = 'nop'\n".replace("[agents.ünï]", "[agents.'ünï']")
    )
    ended = shell("run", suite, "--agent", "ünï", "--out", "run", "--json", env={"PYTHONIOENCODING": "ascii"})
    assert ended.code == 0, ended.err
    assert list(ended.json["agents"]) == ["ünï", "oracle"]
    assert json.loads(ended.out.splitlines()[-1])


def test_old_scratch_of_killed_calls_is_swept_and_that_of_living_ones_is_not(suite: Path, shell: Shell) -> None:
    process = shell.start("run", suite, "--agent", "command:sleep 5", "--out", "slow")
    deadline = time.monotonic() + 20
    while not (shell.folder / "slow/trials").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (living,) = shell.tmp.iterdir()
    dead = shell.tmp / "worktrial-dead0000"
    dead.mkdir()
    (dead / "lock").write_text("")
    other = shell.tmp / "worktrial-notours"
    other.mkdir()
    assert shell("run", suite, "--agent", "nop", "--out", "run").code == 0
    assert sorted(shell.tmp.iterdir()) == sorted([living, other])
    assert process.wait(timeout=60) == 0
    process.communicate()
