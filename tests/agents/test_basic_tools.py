"""The basic agent's tools, run where they run in a trial: inside the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.bench import Bench

from worktrial.agents.basic.messages import Call, Result
from worktrial.agents.basic.tools import MALFORMED, Toolbox, cut_middle
from worktrial.agents.ide.tools import IdeTools
from worktrial.agents.protocol import Attempt
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.select import choose

SCRIPT = Path(__file__).parents[2] / "src/worktrial/agents/basic/inside/files.py"


async def use(attempt: Attempt, name: str, left_s: float = 60, **arguments: Any) -> Result:
    """Make one call and return its result."""
    toolbox = Toolbox(attempt.workspace, attempt.env, attempt.mounts)
    result, _ = await toolbox.run(Call("1", name, arguments), left_s)
    return result


# -- shell --


async def test_shell_gives_exit_code_and_output(bench: Bench) -> None:
    """Of both streams, in the repository's folder, with bash where there is one and with the task's variables."""
    attempt = await bench.attempt(env={"TASK": "t1"})
    result = await use(attempt, "shell", command='[[ -f calc.py ]] && echo "$TASK"; echo oops >&2; exit 3')
    assert result.text.splitlines() == ["exit code: 3", "t1", "oops"]
    assert not result.failed


async def test_shell_sees_no_variable_of_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are in our environment, and it does not reach the sandbox."""
    monkeypatch.setenv("SECRET_KEY", "sk-canary-in-env")
    result = await use(await bench.attempt(), "shell", command="env; cat /proc/self/environ")
    assert "canary" not in result.text


async def test_a_slow_command_is_killed_in_time(bench: Bench) -> None:
    """At its own limit, or at the attempt's if that comes first; what it printed is kept."""
    attempt = await bench.attempt()
    started = time.monotonic()
    own = await use(attempt, "shell", command="echo a; sleep 60", timeout_s=0.3)
    rest = await use(attempt, "shell", left_s=0.3, command="sleep 60")
    assert time.monotonic() - started < 10
    assert "took too long" in own.text
    assert own.text.endswith("a\n")
    assert own.failed
    assert rest.failed


async def test_long_output_loses_its_middle(bench: Bench) -> None:
    """Beginning and end are what tells, so they stay."""
    result = await use(await bench.attempt(), "shell", command="seq 1 100000")
    assert len(result.text) < 31_000
    assert result.text.startswith("exit code: 0\n1\n2\n")
    assert result.text.endswith("99999\n100000\n")
    assert "characters cut" in result.text


async def test_a_flood_of_output_is_stopped_and_said(bench: Bench) -> None:
    """The sandbox kills it; the model hears why."""
    attempt = await bench.attempt(limits=TrialLimits(timeout_s=60, output_mib=1))
    result = await use(attempt, "shell", command="yes")
    assert result.text.startswith("killed: output flood")
    assert result.failed


@pytest.mark.parametrize("command", ["echo a\0b", "echo " + "x" * 200_000])
async def test_a_command_no_program_can_be_started_with_is_answered(bench: Bench, command: str) -> None:
    """With words, not with a crash."""
    result = await use(await bench.attempt(), "shell", command=command)
    assert result.failed
    assert "write files with edit" in result.text


# -- read --


async def test_read_numbers_lines_and_goes_on_from_an_offset(bench: Bench) -> None:
    """A long file is read in parts, and each says where the next begins."""
    attempt = await bench.attempt(files={"long.txt": "".join(f"line {n}\n" for n in range(1, 101))})
    first = await use(attempt, "read", path="long.txt", limit=2)
    assert first.text == "     1\tline 1\n     2\tline 2\n[there is more: go on with offset 3]"
    last = await use(attempt, "read", path="long.txt", offset=100)
    assert last.text == "   100\tline 100"
    assert (await use(attempt, "read", path="long.txt", offset=101)).text == "[the file ends at line 100]"


async def test_read_is_bounded_by_size(bench: Bench) -> None:
    """Many lines and long lines are cut with a remark; nothing is cut silently."""
    attempt = await bench.attempt(files={"many": "some words\n" * 10_000, "wide": "x" * 50_000, "empty": ""})
    many = await use(attempt, "read", path="many", limit=10_000)
    assert len(many.text) < 31_000
    assert "go on with offset" in many.text
    assert (await use(attempt, "read", path="wide")).text.endswith("[… line cut]")
    assert (await use(attempt, "read", path="empty")).text == "[the file is empty]"


async def test_read_lists_folders_and_refuses_what_is_no_file(bench: Bench) -> None:
    """A device or a pipe would never end."""
    attempt = await bench.attempt()
    assert (await use(attempt, "read", path=".")).text == "folder with 3 entries:\nREADME.md\ncalc.py\nlib/"
    for path, complaint in (
        ("gone.py", "there is no file"),
        ("/dev/zero", "is not a file"),
        ("a\0b", "there is no file"),
    ):
        result = await use(attempt, "read", path=path)
        assert result.failed
        assert complaint in result.text


# -- edit --


async def test_edit_replaces_exactly_one_place(bench: Bench) -> None:
    """The text around it stays, byte for byte."""
    attempt = await bench.attempt()
    result = await use(attempt, "edit", path="calc.py", old="a - b", new="a + b")
    assert result.text == "edited calc.py at line 2"
    assert await bench.read(attempt, "calc.py") == "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize(
    ("old", "complaint"),
    [("x * y", "is not in calc.py"), ("x", "3 times, at lines [1, 2, 2]"), ("x - y", "the same")],
)
async def test_edit_says_why_it_did_nothing(bench: Bench, old: str, complaint: str) -> None:
    """No match, more than one, or no change: the file is as before."""
    text = "def f(x, y):\n    return x - y + x\n"
    attempt = await bench.attempt(files={"calc.py": text})
    result = await use(attempt, "edit", path="calc.py", old=old, new="x - y")
    assert result.failed
    assert complaint in result.text
    assert await bench.read(attempt, "calc.py") == text


async def test_edit_makes_new_files_and_keeps_old_ones(bench: Bench) -> None:
    """An empty `old` is a new file, in new folders too; a file that has text is not overwritten by it."""
    attempt = await bench.attempt()
    assert not (await use(attempt, "edit", path="a/b/new.py", old="", new="x = 1\n")).failed
    assert await bench.read(attempt, "a/b/new.py") == "x = 1\n"
    assert "is there already" in (await use(attempt, "edit", path="calc.py", old="", new="x")).text
    assert (await use(attempt, "edit", path="lib", old="", new="x")).failed


async def test_edit_keeps_line_ends_bytes_and_mode(bench: Bench) -> None:
    """CRLF, bytes that are no UTF-8, and the executable bit survive an edit elsewhere in the file."""
    attempt = await bench.attempt()
    await bench.shell(attempt, r"printf 'one\r\ntwo\r\n\377\r\n' > odd && chmod 755 odd")
    assert not (await use(attempt, "edit", path="odd", old="one\ntwo", new="1\n2")).failed
    assert await bench.shell(attempt, "cat odd") == b"1\r\n2\r\n\xff\r\n"
    await bench.shell(attempt, "test -x odd")


# -- search --


async def test_search_finds_lines_by_regex_path_and_glob(bench: Bench) -> None:
    """As path:line:text; repositories' own folders and binary files are left out."""
    files = {
        "a.py": "x = 1\nTODO: y\n",
        "b.txt": "TODO\n",
        "sub/c.py": "# TODO\n",
        ".git/c.py": "TODO",
        "d.py": "\0TODO",
    }
    attempt = await bench.attempt(files=files)
    assert (await use(attempt, "search", pattern=r"TODO\b")).text == "a.py:2:TODO: y\nb.txt:1:TODO\nsub/c.py:1:# TODO"
    assert (await use(attempt, "search", pattern="TODO", glob="*.py", path="sub")).text == "sub/c.py:1:# TODO"
    assert (await use(attempt, "search", pattern="TODO", glob="sub/*")).text == "sub/c.py:1:# TODO"
    assert (await use(attempt, "search", pattern="x", path="a.py")).text == "a.py:1:x = 1"
    assert (await use(attempt, "search", pattern="nowhere")).text == "[no match]"


async def test_search_is_bounded_and_says_what_is_wrong(bench: Bench) -> None:
    """Too many matches, a broken pattern, a path that is not there."""
    attempt = await bench.attempt(files={"a": "match\n" * 1000})
    assert (await use(attempt, "search", pattern="match")).text.endswith("[there are more matches: narrow the search]")
    assert "not a regular expression" in (await use(attempt, "search", pattern="(")).text
    assert "there is no gone" in (await use(attempt, "search", pattern="x", path="gone")).text


async def test_a_pattern_that_never_ends_is_killed(bench: Bench) -> None:
    """Catastrophic backtracking costs the time limit, not the attempt."""
    attempt = await bench.attempt(files={"a": "a" * 40 + "!\n"})
    result = await use(attempt, "search", left_s=1, pattern="(a+)+$")
    assert result.failed
    assert "took too long" in result.text


# -- calls that make no sense --


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (Call("1", "browse", {}), "there is no tool 'browse'; there are: shell, read, edit, search"),
        (Call("1", "shell", {}), "command: Field required"),
        (Call("1", "shell", {"command": ["ls"]}), "command: Input should be a valid string"),
        (Call("1", "read", {"path": "a", "offset": 0}), "offset: "),
        (Call("1", "read", {"path": "a", "lines": 3}), "lines: Extra inputs"),
        (Call("1", "read", {"unreadable": "{"}, "the arguments are not valid JSON"), "not valid JSON"),
    ],
)
async def test_malformed_calls_are_answered_and_counted(bench: Bench, call: Call, complaint: str) -> None:
    """The model is told what was wrong, and the call is counted as malformed whatever it called itself."""
    attempt = await bench.attempt()
    result, counted = await Toolbox(attempt.workspace, {}, ()).run(call, 60)
    assert counted == MALFORMED
    assert result.failed
    assert complaint in result.text


async def test_nothing_in_the_workspace_can_replace_what_the_script_imports(bench: Bench) -> None:
    """A json.py in the repository, or on PYTHONPATH, is not run by our tools."""
    trap = {"json.py": "raise SystemExit('trapped')", "re.py": "raise SystemExit('trapped')", "calc.py": "x"}
    attempt = await bench.attempt(files=trap, env={"PYTHONPATH": "."})
    result = await use(attempt, "read", path="calc.py")
    assert result.text == "     1\tx"


async def test_tools_work_without_isolation_too(tmp_path: Path) -> None:
    """`--sandbox none` is another backend of the same contract."""
    attempt = await Bench(choose("none"), tmp_path).attempt()
    try:
        assert "return a - b" in (await use(attempt, "read", path="calc.py")).text
        assert (await use(attempt, "shell", command="pwd")).text.strip().endswith(str(attempt.workspace.root))
    finally:
        await attempt.workspace.close()


# -- bounds and texts --


@given(st.text(max_size=100), st.integers(0, 5000))
def test_cut_text_is_bounded_and_keeps_both_ends(text: str, times: int) -> None:
    """Whatever the text."""
    whole = text * times
    cut = cut_middle(whole)
    assert len(cut) < 30_100
    assert cut == whole or (cut[:100] == whole[:100] and cut[-100:] == whole[-100:])


def test_schemas_are_closed_objects() -> None:
    """As strict servers want them, and without words that only cost tokens."""
    for spec in (*Toolbox.specs(), *IdeTools.specs()):
        assert spec.description
        assert spec.schema["additionalProperties"] is False
        assert set(spec.schema["required"]) <= set(spec.schema["properties"])
        assert "title" not in json.dumps(spec.schema)


def test_the_script_is_one_file_of_the_standard_library(tmp_path: Path) -> None:
    """It works where nothing of ours is installed."""
    (tmp_path / "a.txt").write_text("hello\n")
    asked = json.dumps({"tool": "read", "arguments": {"path": "a.txt"}})
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)], input=asked.encode(), cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == {"ok": True, "text": "     1\thello"}
