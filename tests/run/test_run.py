"""Runs: agents on tasks, in workspaces that hold nothing but the task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from tests.e2e.workshop import Repository, Shell, lines

from worktrial.formats.task import consolidated
from worktrial.store.files import write_toml
from worktrial.store.suite import Suite

FIX = "def title(name):\n    return name[:1].upper() + name[1:]\n"


def configure(shell: Shell, **agents: dict[str, Any]) -> None:
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": agents}))


def script(text: str, **more: Any) -> dict[str, Any]:
    return {"kind": "command", "command": ["sh", "-c", text], **more}


def trial(run: Path, agent: str, task: str = "fix", n: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "trials" / agent / task / n / "trial.json").read_text())
    return found


def verdict(run: Path, agent: str, task: str = "fix", n: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "trials" / agent / task / n / "verdict.json").read_text())
    return found


def what_ran(run: Path, agent: str) -> str:
    """Return what the tests printed, for a failure to be explained."""
    return (run / "trials" / agent / "fix/1/logs/tests.log").read_text()


def test_the_controls_are_at_both_ends_and_talk_is_kept_from_data(suite: Path, shell: Shell) -> None:
    ended = shell("run", suite, "--agent", "oracle", "--agent", "nop", "--trials", "2", "--out", "run", "--json")
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == 1
    assert list(ended.json) == ["agents", "controls"]
    for name, rate in (("oracle", 1.0), ("nop", 0.0)):
        found = ended.json["agents"][name]
        assert {key: found[key] for key in ("tasks", "trials", "solved", "rate", "infrastructure")} == {
            "tasks": 2, "trials": 4, "solved": int(4 * rate), "rate": rate, "infrastructure": 0,
        }  # fmt: skip
    entries = lines(shell.folder / "run/journal.jsonl")
    events = [entry["event"] for entry in entries if entry["event"] != "begun"]
    assert len(entries) == len(events) + 8
    assert events == ["started", *["trial"] * 8, "finished"]
    quiet = shell("run", suite, "--agent", "oracle", "--agent", "nop", "--trials", "2", "--out", "run")
    assert quiet.out == ""
    assert "8 of 8 trials are done already" in quiet.err


def test_a_workspace_has_one_commit_and_nothing_that_tells_the_solution(
    suite: Path, library_repo: Repository, shell: Shell
) -> None:
    look = "\n".join([
        "exec 2>&1", "git rev-list --all --count", "git remote", "git tag", "git stash list",
        "ls .git/logs 2>/dev/null", "git status --short --ignored", "cat .git/objects/info/alternates 2>/dev/null",
        "echo objects:", "git cat-file --batch-all-objects --batch-check='%(objectname)'", "echo hidden:",
        "grep -rl 'Anna Bo' . ; grep -rlE \"name\\[:1\\]\" .",
        "env | cut -d= -f1 | grep -iE 'worktrial|solution|suite'",
        "echo network:; python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 2)' && echo open",
        "ls / /home /root /work " + str(suite) + " 2>&1 | grep -E 'suite|tasks|main' ; echo done",
    ])  # fmt: skip
    configure(shell, looker=script(look))
    assert shell("run", suite, "--agent", "looker", "--task", "fix", "--out", "run").code == 0
    log = (shell.folder / "run/trials/looker/fix/1/logs/agent.log").read_text()
    before, _, rest = log.partition("objects:\n")
    objects, _, rest = rest.partition("hidden:\n")
    hidden, _, network = rest.partition("network:\n")
    assert before == "1\n"
    assert hidden in ("", "WORKTRIAL_PROMPT\n")
    assert "open" not in network.splitlines()
    assert network.endswith("done\n")
    assert str(suite) not in network.replace(f"ls: cannot access '{suite}'", "")
    head = library_repo.git("rev-parse", "HEAD")
    for path in ("shop/names.py", "tests/test_names.py"):
        assert library_repo.git("rev-parse", f"{head}:{path}") not in objects
    assert len(objects.split()) == 1 + 3 + 7  # commit, trees, blobs (the empty one is there once)


def test_how_an_agents_program_ends_is_recorded_and_its_work_is_graded_all_the_same(suite: Path, shell: Shell) -> None:
    solve = f"cat > shop/names.py <<'EOF'\n{FIX}EOF\n"
    configure(
        shell,
        good=script(solve),
        failing=script(solve + "echo oh no; exit 7"),
        endless=script(solve + "sleep 1000"),
        missing={"kind": "command", "command": ["no-such-program"]},
        flood=script(solve + "yes"),
        background=script(solve + "(sleep 3; echo broken > shop/names.py) & exit 0"),
        reader=script(
            'cat > prompt.txt; test -n "$WORKTRIAL_PROMPT" && printf %s "$WORKTRIAL_PROMPT" | cmp - prompt.txt'
        ),
    )
    names = ["good", "failing", "endless", "missing", "flood", "background", "reader"]
    agents = [part for name in names for part in ("--agent", name)]
    ended = shell("run", suite, *agents, "--task", "fix", "--timeout", "5", "--out", "run")
    assert ended.code == 0, ended.err
    run = shell.folder / "run"
    found = {name: (trial(run, name)["ended"], trial(run, name)["cause"]) for name in names}
    assert found == {
        "good": ("completed", ""),
        "failing": ("error", "exit_code"),
        "endless": ("timeout", "timeout"),
        "missing": ("error", "exit_code"),
        "flood": ("limit", "output_flood"),
        "background": ("completed", ""),
        "reader": ("completed", ""),
    }
    assert {name: verdict(run, name)["outcome"] for name in names} == {
        **dict.fromkeys(("good", "failing", "endless", "flood", "background"), "solved"),
        **dict.fromkeys(("missing", "reader"), "not_solved"),
    }, {name: (verdict(run, name), what_ran(run, name)) for name in names}
    assert trial(run, "failing")["exit_code"] == 7


def test_a_command_can_be_given_on_the_spot(suite: Path, shell: Shell) -> None:
    program = shell.folder / "agent.sh"
    program.write_text('#!/bin/sh\necho "def title(name): return name[:1].upper() + name[1:]" > shop/names.py\n')
    program.chmod(0o755)
    ended = shell("run", suite, "--agent", "command:./agent.sh --fast", "--task", "fix", "--out", "run", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["agents"]["command-.-agent.sh---fast"]["rate"] == 1, what_ran(
        shell.folder / "run", "command-.-agent.sh---fast"
    )


# -- requests --


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["orcale"], ["unknown agent 'orcale'", "did you mean 'oracle'?"]),
        (["gpt"], ["unknown agent 'gpt'", "oracle", "nop"]),
        (["nop", "nop"], ["two agents are called 'nop'"]),
        (["command:"], ["command"]),
        (["command:./not-there"], ["not-there"]),
        (["command:'unclosed"], ["unclosed"]),
        (["basic"], ["basic"]),
        ([""], ["unknown agent"]),
    ],
)
def test_a_request_for_agents_that_cannot_be_is_refused(
    suite: Path, shell: Shell, specs: list[str], words: list[str]
) -> None:
    agents = [part for spec in specs for part in ("--agent", spec)]
    assert shell("run", suite, *agents, "--out", "run").is_clean_error(*words, code=4)
    assert not (shell.folder / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[agents.x", []),
        ("agents = 3", ["agents"]),
        ("[agents]\nx = 3", ["x"]),
        ("[agents.x]\nkind = 'command'\ncomand = ['true']", ["comand"]),
        ("[agents.x]\nkind = 'command'\ncommand = 'true'", ["command"]),
        ("[agents.x]\nkind = 'command'\ncommand = ['true']\nmounts = [1]", ["mounts"]),
        ("[agents.x]\nkind = 3", ["kind"]),
        ("[agents.'../../x']\nkind = 'nop'", ["../../x"]),
        ("[agents.x]\nkind = 'nop'\nname = 'a/b'", ["a/b"]),
        ("[agent.x]\nkind = 'nop'", ["agent"]),
        (b"\xff\xfe", []),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(
    suite: Path, shell: Shell, text: str | bytes, words: list[str]
) -> None:
    (shell.folder / "worktrial.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    assert shell("run", suite, "--agent", "nop", "--out", "run").is_clean_error("worktrial.toml", *words)


def test_a_configuration_that_is_named_must_be_there(suite: Path, shell: Shell) -> None:
    ended = shell("run", suite, "--agent", "nop", "--config", "other.toml", "--out", "run")
    assert ended.is_clean_error("other.toml")


def test_a_suite_without_tasks_says_what_to_do(suite: Path, shell: Shell) -> None:
    shutil.rmtree(suite / "tasks")
    assert shell("run", suite, "--agent", "nop", "--out", "run").is_clean_error("no tasks", "worktrial validate")


def test_a_task_that_is_not_there_is_refused(suite: Path, shell: Shell) -> None:
    assert shell("run", suite, "--agent", "nop", "--task", "nix", "--out", "run").is_clean_error("nix", code=4)


def test_a_folder_with_something_else_in_it_is_not_written_to(suite: Path, shell: Shell) -> None:
    (shell.folder / "thesis.txt").write_text("mine")
    assert shell("run", suite, "--agent", "nop", "--out", ".").is_clean_error("not empty", "--out", code=4)
    assert shell("run", suite, "--agent", "nop", "--out", "thesis.txt").is_clean_error("thesis.txt", code=4)
    assert (shell.folder / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("left", ["lock.json", ".lock.json.abc123"])
def test_what_a_run_left_that_was_killed_as_it_began_is_in_nobodys_way(suite: Path, shell: Shell, left: str) -> None:
    (shell.folder / "run").mkdir()
    (shell.folder / "run" / left).write_text("{}")
    assert shell("run", suite, "--agent", "nop", "--out", "run").code == 0


def test_another_request_for_the_same_folder_is_refused_and_says_what_differs(suite: Path, shell: Shell) -> None:
    assert shell("run", suite, "--agent", "nop", "--out", "run").code == 0
    before = (shell.folder / "run/run.toml").read_bytes()
    for words, extra in (
        ("trials", ["--agent", "nop", "--trials", "2"]),
        ("agents", ["--agent", "oracle"]),
        ("limits", ["--agent", "nop", "--timeout", "7"]),
        ("tasks", ["--agent", "nop", "--task", "fix"]),
        ("sandbox", ["--agent", "nop", "--sandbox", "none"]),
    ):
        assert shell("run", suite, *extra, "--out", "run").is_clean_error(f"these differ: {words}", code=4)
    assert (shell.folder / "run/run.toml").read_bytes() == before


def test_a_suite_that_changed_since_is_refused(suite: Path, shell: Shell) -> None:
    assert shell("run", suite, "--agent", "nop", "--out", "run").code == 0
    (suite / "tasks/fix/prompt.md").write_text("Do something else.\n")
    assert shell("run", suite, "--agent", "nop", "--out", "run").is_clean_error("the suite is not what", code=4)


def test_a_corrupt_file_is_named(suite: Path, shell: Shell) -> None:
    command = ("run", suite, "--agent", "nop", "--task", "fix", "--out", "run")
    assert shell(*command).code == 0
    for name in ("run.toml", "lock.json", "trials/nop/fix/1/trial.json", "trials/nop/fix/1/verdict.json"):
        path = shell.folder / "run" / name
        before = path.read_bytes()
        path.write_bytes(b"= broken\n")
        assert shell(*command).is_clean_error(path.name)
        path.write_bytes(before)
    (shell.folder / "run/journal.jsonl").write_bytes(b"= broken\n")
    assert shell(*command).code == 0  # it is only added to


@pytest.mark.parametrize("name", ["task.toml", "prompt.md", "tests.patch"])
def test_a_task_with_a_damaged_file_is_a_clear_error(suite: Path, shell: Shell, name: str) -> None:
    (suite / "tasks/fix" / name).write_bytes(b"\xff= broken\n")
    ended = shell("run", suite, "--agent", "oracle", "--out", "run")
    assert ended.is_clean_error("fix")


def test_a_solution_that_does_not_apply_is_nobodys_failure(suite: Path, shell: Shell) -> None:
    (suite / "tasks/fix/solution.patch").write_bytes(b"broken\n")
    ended = shell("run", suite, "--agent", "oracle", "--no-controls", "--out", "run", "--json")
    assert ended.json["agents"]["oracle"]["infrastructure"] == 1, ended.err
    assert verdict(shell.folder / "run", "oracle")["cause"] == "solution_does_not_apply"


# -- failures that are not the agent's --


@pytest.mark.slow
def test_infrastructure_failures_leave_the_denominator_and_are_tried_again_on_request(
    suite: Path, shell: Shell
) -> None:
    key = json.loads(next((suite / "environments").glob("*.json")).read_text())
    good = dict(key)
    recipe = next((suite / "environments").glob("*.json"))
    recipe.write_text(json.dumps({**key, "key": "0" * 24, "requirements": ["this-is-no-package-of-anyones==99"]}))
    task = suite / "tasks/fix/task.toml"
    ended = shell("run", suite, "--agent", "oracle", "--out", "run", "--json")
    assert ended.code == 0, ended.err
    found = ended.json["agents"]["oracle"]
    assert (found["infrastructure"], found["rate"], found["trials"]) == (2, None, 2)
    run = shell.folder / "run"
    assert trial(run, "oracle")["ended"] == "infrastructure"
    assert verdict(run, "oracle")["outcome"] == "infrastructure"
    assert verdict(run, "oracle")["cause"] == "environmentbuild_failed" or verdict(run, "oracle")["cause"]
    recipe.write_text(json.dumps(good))
    assert task.exists()
    same = shell("run", suite, "--agent", "oracle", "--out", "run", "--json")
    assert same.json == ended.json
    again = shell("run", suite, "--agent", "oracle", "--out", "run", "--json", "--retry-infrastructure")
    assert again.json["agents"]["oracle"]["rate"] == 1, again.err
    assert json.loads((run / "trials/oracle/fix/1.attempt-1/trial.json").read_text())["ended"] == "infrastructure"


def test_an_environment_that_was_cleared_from_the_cache_is_built_again(
    suite: Path, shell: Shell, tmp_path: Path
) -> None:
    ended = shell(
        "run", suite, "--agent", "oracle", "--out", "run", "--json", env={"WORKTRIAL_CACHE": str(tmp_path / "new")}
    )
    assert ended.json["agents"]["oracle"]["rate"] == 1, ended.err


def test_a_conversation_is_one_marked_text_for_agents_that_take_no_further_prompts(suite: Path, shell: Shell) -> None:
    opened = Suite(suite)
    task = opened.task("fix").model_copy(
        update={"prompt_kind": "conversation", "prompts": ("Fix\r\nit.", "And say so.")}
    )
    write_toml(opened.task_dir("fix") / "task.toml", task)
    configure(shell, reader=script("cat"))
    ended = shell("run", suite, "--agent", "reader", "--task", "fix", "--no-controls", "--out", "run")
    assert ended.code == 0, ended.err
    assert trial(shell.folder / "run", "reader")["asked"] == "consolidated"
    log = (shell.folder / "run/trials/reader/fix/1/logs/agent.log").read_bytes().decode()
    assert log == consolidated(task.prompts)
    assert "[Message 1 of 2]\nFix\r\nit.\n\n[Message 2 of 2]\nAnd say so." in log
