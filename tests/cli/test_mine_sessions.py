"""`worktrial mine --sessions`: from logs on disk to candidates that ask with what was typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.workshop import Shell
from tests.mine.building import SOURCE, TEST, Repository, repository

PROMPT = 'Add `measure_length`:\n\n\treturn "1"  — naïve café 日本 🎉\r\n  #### keep this'
CODE = "def measure_length(values):\n    return len(values)\n"
CHECK = "def test_measure_length():\n    assert core.measure_length([1]) == 1\n"


def claude_log(cwd: Path, name: str, prompts: list[str], commit: str, stamp: str) -> str:
    """Return a log as Claude Code writes it: each prompt, then the edits and the commit."""
    common = {"sessionId": name, "cwd": str(cwd), "version": "2.1.328", "gitBranch": "main", "isSidechain": False}
    lines: list[dict[str, Any]] = []

    def add(kind: str, content: Any, **more: Any) -> None:
        message = {"role": kind, "content": content, "model": "claude-x", "id": f"msg_{len(lines)}"}
        lines.append({"type": kind, "uuid": f"u{len(lines)}", "timestamp": stamp, "message": message, **common, **more})

    for number, prompt in enumerate(prompts):
        add("user", prompt, promptId=f"p{number}")
    for number, (path, text) in enumerate(((SOURCE, CODE), (TEST, CHECK))):
        given = {"file_path": str(cwd / path), "old_string": "", "new_string": text}
        add("assistant", [{"type": "tool_use", "id": f"t{number}", "name": "Edit", "input": given}])
        result: dict[str, Any] = {
            "filePath": given["file_path"],
            "oldString": "",
            "newString": text,
            "structuredPatch": [],
        }
        result |= {"originalFile": "", "userModified": False}
        add("user", [{"type": "tool_result", "tool_use_id": f"t{number}", "content": "done"}], toolUseResult=result)
    add(
        "assistant",
        [{"type": "tool_use", "id": "t9", "name": "Bash", "input": {"command": "git commit -am 'Measure'"}}],
    )
    made = {"stdout": "", "stderr": "", "gitOperation": {"commit": {"sha": commit[:7], "kind": "committed"}}}
    add("user", [{"type": "tool_result", "tool_use_id": "t9", "content": "ok"}], toolUseResult=made)
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = repository(tmp_path / "pkg")
    source, check = (made.path / SOURCE).read_text(), (made.path / TEST).read_text()
    made.commit("Measure", {SOURCE: source + CODE, TEST: check + CHECK})
    made.change("Add two", "two")
    return made


def log_of(repo: Repository, prompts: list[str], folder: Path) -> Path:
    """Write the log of a session that made the repository's second commit, below a home's folder."""
    commit = repo.git("rev-parse", "HEAD^")
    stamp = repo.git("log", "-1", "--format=%cd", "--date=format:%Y-%m-%dT%H:%M:%SZ", commit)
    project = folder / ".claude/projects" / str(repo.path).replace("/", "-").replace("_", "-").replace(".", "-")
    project.mkdir(parents=True)
    path = project / "aaaa-bbbb.jsonl"
    path.write_text(claude_log(repo.path, "aaaa-bbbb", prompts, commit, stamp))
    return path


def candidates(suite: Path) -> dict[str, dict[str, Any]]:
    """Return what was mined, by subject."""
    found = [json.loads(line) for line in (suite / "candidates.jsonl").read_text().splitlines()]
    return {one["subject"]: one for one in found}


def test_a_session_of_one_prompt_asks_with_it_to_the_byte(repo: Repository, shell: Shell) -> None:
    log = log_of(repo, [PROMPT], shell.folder)
    ended = shell("mine", repo.path, "--suite", "suite", "--sessions", log, "--json")
    assert ended.code == 0, ended.err
    told = ended.json
    assert (told["sessions"], told["single_turn"], told["multi_turn"], told["candidates"]) == (1, 1, 0, 2)
    assert (told["linked"], told["by_link"]) == (1, {"recorded_commit": 1})
    assert told["ai_share_median"] == 1.0
    made = candidates(shell.folder / "suite")
    assert (made["Measure"]["prompt"], made["Measure"]["prompt_kind"]) == (PROMPT, "prompt")
    assert made["Measure"]["provenance"]["models"] == ["claude-x"]
    assert made["Add two"]["prompt_kind"] == "message"


def test_a_conversation_keeps_its_prompts_in_order_or_becomes_one_marked_text(repo: Repository, shell: Shell) -> None:
    log = log_of(repo, ["Add something that measures.", "Its length, please."], shell.folder)
    assert shell("mine", repo.path, "--suite", "suite", "--sessions", log.parent).code == 0
    made = candidates(shell.folder / "suite")["Measure"]
    assert made["prompt_kind"] == "conversation"
    assert made["prompts"] == ["Add something that measures.", "Its length, please."]
    assert shell("mine", repo.path, "--suite", "one", "--sessions", log.parent, "--consolidate").code == 0
    made = candidates(shell.folder / "one")["Measure"]
    assert (made["prompt_kind"], made["prompts"]) == ("consolidated", [])
    assert made["prompt"].startswith("What follows are 2 messages")
    assert "[Message 2 of 2]\nIts length, please." in made["prompt"]


def test_only_what_sessions_made_is_left_when_that_is_asked_for(repo: Repository, shell: Shell) -> None:
    log = log_of(repo, [PROMPT], shell.folder)
    ended = shell("mine", repo.path, "--suite", "suite", "--sessions", log, "--sessions-only", "--json")
    assert list(candidates(shell.folder / "suite")) == ["Measure"]
    assert ended.json["funnel"] == {"no_session": 1, "root_commit": 1}


def test_a_prompt_that_cannot_be_a_task_is_counted_with_its_reason(repo: Repository, shell: Shell) -> None:
    log = log_of(repo, ["What does this package do?"], shell.folder)
    ended = shell("mine", repo.path, "--suite", "suite", "--sessions", log, "--json")
    assert ended.json["not_asked"] == {"not_testable": 1}
    assert candidates(shell.folder / "suite")["Measure"]["prompt_kind"] == "message"
    only = shell("mine", repo.path, "--suite", "suite", "--sessions", log, "--sessions-only", "--json")
    assert only.json["funnel"] == {"no_session": 1, "not_testable": 1, "root_commit": 1}


def test_auto_reads_the_repositorys_own_logs_once_it_is_told_to(repo: Repository, shell: Shell) -> None:
    log_of(repo, [PROMPT], shell.folder / "home")
    home = {"HOME": str(shell.folder / "home"), "CLAUDE_CONFIG_DIR": ""}
    refused = shell("mine", repo.path, "--suite", "suite", "--sessions", "auto", env=home)
    assert refused.code != 0
    assert "--yes" in refused.err
    assert "Claude Code: 1 logs of this repository" in refused.err
    assert not (shell.folder / "suite").exists()
    ended = shell("mine", repo.path, "--suite", "suite", "--sessions", "auto", "--yes", "--json", env=home)
    assert ended.code == 0, ended.err
    assert ended.json["linked"] == 1


def test_a_path_without_a_log_and_flags_without_sessions_are_errors(repo: Repository, shell: Shell) -> None:
    nothing = shell("mine", repo.path, "--suite", "suite", "--sessions", "nowhere")
    assert (nothing.code, "there is no log at nowhere" in nothing.err) == (4, True)
    (shell.folder / "notes.md").write_text("# notes\n")
    foreign = shell("mine", repo.path, "--suite", "suite", "--sessions", "notes.md")
    assert (foreign.code, "there is no session log at notes.md" in foreign.err) == (4, True)
    flag = shell("mine", repo.path, "--suite", "suite", "--consolidate")
    assert (flag.code, "--consolidate needs sessions" in flag.err) == (4, True)
