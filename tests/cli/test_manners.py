"""What every command has in common: help, errors, colours, streams."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.e2e.workshop import Shell

COMMANDS = ["mine", "validate", "run", "grade", "report", "demo", "doctor"]


def tools(folder: Path, *without: str) -> str:
    """Return a PATH with the programs that worktrial calls, some of them left out."""
    folder.mkdir()
    for name in (
        "git",
        "bwrap",
        "unshare",
        "nsenter",
        "prlimit",
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
    ended = shell(command, "-h")
    assert ended.code == 0, ended.err
    assert f"worktrial {command}" in ended.out
    assert ended.err == ""


def test_help_lists_every_command_and_imports_none(shell: Shell) -> None:
    ended = shell("--help")
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
        ["grade", "--help"],
        ["doctor", "--help"],
    ):
        done = subprocess.run([sys.executable, "-c", program, *args], env=shell.env, capture_output=True, check=False)
        assert done.returncode == 0, (args, done.stderr)


def test_called_with_nothing_it_says_how_it_is_called(shell: Shell) -> None:
    ended = shell()
    assert ended.code == 2
    assert "Usage: worktrial" in ended.out + ended.err
    assert "error:" not in ended.err


def test_a_mistyped_command_or_option_gets_a_suggestion(shell: Shell) -> None:
    assert shell("validat").is_clean_error("validat", "did you mean 'validate'?", code=2)
    assert shell("run", "x", "--trial", "3").is_clean_error("--trial", code=2)
    assert shell("run", "x", "--out", "y").is_clean_error("--agent", "hint: see worktrial run --help", code=2)
    assert shell("validate", "x", "--runs", "0").is_clean_error("--runs", code=2)


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
    assert shell("validate", suite, "--sandbox", "jail").is_clean_error("jail", "namespaces", code=2)


@pytest.mark.parametrize("missing", ["bwrap", "unshare"])
@pytest.mark.parametrize("command", [["validate"], ["run", "--agent", "nop", "--out", "run"]])
def test_without_isolation_nothing_is_run_unless_told_so(
    suite: Path, shell: Shell, tmp_path: Path, missing: str, command: list[str]
) -> None:
    path = tools(tmp_path / "bin", missing)
    ended = shell(command[0], suite, *command[1:], env={"PATH": path})
    assert ended.is_clean_error(missing, "--sandbox none", "with your files, keys and network in reach")
    assert not (shell.folder / "run").exists()


def test_where_user_namespaces_are_forbidden_nothing_is_run_unless_told_so(
    suite: Path, shell: Shell, tmp_path: Path
) -> None:
    path = tools(tmp_path / "bin", "unshare")
    fake = tmp_path / "bin/unshare"
    fake.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    ended = shell("run", suite, "--agent", "nop", "--out", "run", env={"PATH": path})
    assert ended.is_clean_error("user namespaces do not work", "Operation not permitted", "--sandbox none")
    told = shell("run", suite, "--agent", "oracle", "--out", "run", "--sandbox", "none", "--json", env={"PATH": path})
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
    assert names[:5] == ["git", "uv", "Python", "bubblewrap", "user namespaces"]
    assert all(finding["ok"] and finding["found"] for finding in ended.json["findings"])


@pytest.mark.parametrize(
    ("missing", "failing"),
    [("git", ["git"]), ("bwrap", ["bubblewrap", "user namespaces"]), ("unshare", ["user namespaces"])],
)
def test_doctor_names_the_remedy_for_what_is_missing(
    shell: Shell, tmp_path: Path, missing: str, failing: list[str]
) -> None:
    path = tools(tmp_path / "bin", missing)
    ended = shell("doctor", "--json", env={"PATH": path})
    assert ended.code == 1, ended.err
    bad = [finding for finding in ended.json["findings"] if not finding["ok"]]
    assert [finding["name"] for finding in bad] == failing
    assert all("install" in finding["remedy"] for finding in bad)
    said = shell("doctor", env={"PATH": path})
    assert said.out.count("remedy: ") == len(failing)
    assert "Traceback" not in said.err


# -- streams --


def test_colours_are_for_terminals_that_want_them(shell: Shell) -> None:
    for args in (("doctor",), ("validate", "nowhere")):
        assert b"\x1b[" in on_a_terminal(shell, *args)
        assert b"\x1b[" not in on_a_terminal(shell, *args, NO_COLOR="1")
        plain = shell(*args)
        assert "\x1b" not in plain.out + plain.err


def test_a_terminal_sees_progress_and_the_outcome_of_each_trial(suite: Path, shell: Shell) -> None:
    shown = on_a_terminal(shell, "run", suite, "--agent", "oracle", "--agent", "nop", "--out", "run").decode()
    assert "oracle fix #1: solved" in shown
    assert "4/4" in shown or "3/4" in shown
    assert "solved" in shown


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
