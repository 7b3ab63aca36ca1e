"""The rolling set: a suite on a newer head, what stays the same in it, and what left."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.e2e.workshop import Repository, Shell, library, lines

from worktrial.analyse.versions import shared_tasks
from worktrial.formats.suite import Retired
from worktrial.store.files import read_model
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite


def margin(path: Path) -> Repository:
    """Return the small repository with a third change, which nothing later touches."""
    repo = library(path)
    test = "from shop.margin import margin\n\n\ndef test_margin():\n    assert margin(10, 8) == 2\n"
    source = "def margin(price, cost):\n    return price - cost\n"
    repo.commit("Tell the margin", {"shop/margin.py": source, "tests/test_margin.py": test})
    return repo


def move_on(repo: Repository) -> None:
    """Change the lines of one task again, and make the test of another fail."""
    title = "def title(name):\n    name = name.strip()\n    return name[:1].upper() + name[1:].rstrip()\n"
    test = "from shop import names\n\n\ndef test_title_of_nothing():\n    assert names.title('') == ''\n\n\n"
    test += "def test_title():\n    assert names.title(' anna Bo ') == 'Anna Bo'\n"
    repo.commit("Titles have no space around them", {"shop/names.py": title, "tests/test_names.py": test})
    repo.commit(
        "A rate of three", {"tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef rate():\n    return 3\n"}
    )


@pytest.mark.slow
def test_a_killed_refresh_goes_on_and_what_both_versions_share_can_be_compared(shell: Shell, tmp_path: Path) -> None:
    repo = margin(tmp_path / "shop")
    assert shell("mine", repo.path, "--suite", "suite").code == 0
    validated = shell("validate", "suite", "--runs", "1", "--json")
    assert validated.json["accepted"] == 3, validated.err
    suite = Suite(shell.folder / "suite")
    fix, add, margin_task = (f"shop-{commit[:10]}" for commit in repo.commits[1:])
    run = ("run", "suite", "--agent", "nop", "--no-controls")
    assert shell(*run, "--out", "one").code == 0
    assert shell("refresh", "suite", "--json").json["version"] == 1
    old_head = repo.commits[-1]
    move_on(repo)
    assert shell("refresh", "suite", "--head", repo.commits[0]).is_clean_error("older than the suite's head", code=2)
    assert shell("refresh", "suite", "--head", "--all").is_clean_error("has no commit", code=2)

    begun = shell.start("refresh", "suite", "--runs", "1")
    while not (suite.path / "refresh/plan.json").exists():
        assert begun.poll() is None
        time.sleep(0.01)
    begun.kill()
    begun.communicate()
    assert shell(*run, "--out", "no").is_clean_error("not finished", "worktrial refresh")
    assert shell("refresh", "suite", "--head", repo.commits[-2]).is_clean_error("was begun", code=2)

    ended = shell("refresh", "suite", "--runs", "1", "--json")
    assert ended.code == 0, ended.err
    gone = {"no_longer_backs_out": 1, "no_fail_to_pass": 1}
    counts = {"came": 1, "stayed": 1, "changed": 0, "as_before": 0, "went": gone}
    assert ended.json == {"version": 2, "head": repo.commits[-1], "tasks": 2, **counts}
    assert not (suite.path / "refresh").exists()
    came = f"shop-{repo.commits[-2][:10]}"
    assert suite.task_ids() == sorted([came, margin_task])
    first, second = lines(suite.path / "history.jsonl")
    assert (first["version"], first["head"], first["came"]) == (1, old_head, sorted([fix, add, margin_task]))
    assert (second["came"], second["stayed"]) == ([came], [margin_task])
    retired = read_model(suite.retired_dir(fix, 2) / "retired.json", Retired, "record")
    assert (retired.reason, retired.head) == ("no_longer_backs_out", repo.commits[-1])
    assert "shop/names.py" in retired.detail
    assert (suite.retired_dir(fix, 2) / "solution.patch").read_bytes()
    assert any(line["record"] == "decision" for line in lines(suite.path / f"evidence/{fix}.jsonl"))

    again = shell("validate", "suite", "--runs", "1", "--json")
    assert f"left out: {fix}, retired in version 2: no_longer_backs_out" in again.err
    assert again.json["accepted"] == 2
    assert shell(*run, "--out", "two").code == 0
    runs = RunDir(shell.folder / "one"), RunDir(shell.folder / "two")
    assert runs[1].lock().suite_version == 2
    shared = shared_tasks(*runs)
    assert shared.tasks == shared.moved == (margin_task,)
    assert shared.apart == {fix: "only_first", add: "only_first", came: "only_second"}
    assert "version 1 and version 2 of the suite share unchanged" in shared.sentence()


@pytest.mark.slow
def test_what_reviewers_retired_stays_as_it_was_and_a_limit_keeps_new_tasks_out(shell: Shell, tmp_path: Path) -> None:
    repo = margin(tmp_path / "shop")
    assert shell("mine", repo.path, "--suite", "suite").code == 0
    assert shell("validate", "suite", "--runs", "1").code == 0
    suite = Suite(shell.folder / "suite")
    fix, add = (f"shop-{commit[:10]}" for commit in repo.commits[1:3])
    head = suite.task(add).solution_tree
    move_on(repo)
    from worktrial.review.desk import Desk

    Desk(suite, "ann", suite.task_ids()).save(add, {"fate": "retire"})
    ended = shell("refresh", "suite", "--runs", "1", "--limit", "0", "--keep-on-parent", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["came"] == 0
    assert lines(suite.path / "history.jsonl")[1]["as_before"] == {add: "retired by ann"}
    assert lines(suite.path / "history.jsonl")[1]["changed"] == [fix]  # on its parent now
    assert suite.task(add).solution_tree == head
    assert suite.task(fix).mode == "parent"
