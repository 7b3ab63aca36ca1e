"""The rolling set: a suite on a newer head, what stays the same in it, and what left."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from tests.e2e.workshop import Repository, Shell, library, lines

from worktrial.analyse.versions import shared_tasks
from worktrial.formats.candidate import Candidate
from worktrial.formats.suite import Retired
from worktrial.review.desk import Desk
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


@pytest.fixture(scope="module")
def _before(session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the repository `shop` and a validated `suite` of its three changes."""
    folder = tmp_path_factory.mktemp("before")
    repo, shell = margin(folder / "shop"), Shell(session_cache, folder / "shell")
    assert shell("mine", repo.path, "--suite", folder / "suite").code == 0
    validated = shell("validate", folder / "suite", "--runs", "1", "--json", timeout=280)
    assert validated.json["accepted"] == 3, validated.err
    return folder


@pytest.fixture
def shop(_before: Path, shell: Shell) -> Repository:
    """Return a copy of the repository; a copy of its suite lies in the shell's folder."""
    repo = Repository(shell.folder / "shop")
    shutil.rmtree(repo.path)
    shutil.copytree(_before / "shop", repo.path)
    repo.commits += reversed(repo.git("rev-list", "HEAD").split())
    suite = Suite(Path(shutil.copytree(_before / "suite", shell.folder / "suite", symlinks=True)))
    suite.write_info(suite.info().model_copy(update={"repository": str(repo.path)}))
    return repo


def move_on(repo: Repository) -> None:
    """Change the lines of one task again, and make one of the tests that decide another fail."""
    title = "def title(name):\n    name = name.strip()\n    return name[:1].upper() + name[1:].rstrip()\n"
    test = "from shop import names\n\n\ndef test_title_of_nothing():\n    assert names.title('') == ''\n\n\n"
    test += "def test_title():\n    assert names.title(' anna Bo ') == 'Anna Bo'\n"
    repo.commit("Titles have no space around them", {"shop/names.py": title, "tests/test_names.py": test})
    repo.commit(
        "A rate of three", {"tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef rate():\n    return 3\n"}
    )


@pytest.mark.slow
def test_a_killed_refresh_goes_on_and_what_both_versions_share_can_be_compared(shell: Shell, shop: Repository) -> None:
    repo = shop
    suite = Suite(shell.folder / "suite")
    fix, add, margin_task = (f"shop-{commit[:10]}" for commit in repo.commits[1:])
    run = ("run", "suite", "--agent", "nop", "--no-controls")
    assert shell(*run, "--out", "one").code == 0
    assert shell("refresh", "suite", "--json").json["version"] == 1
    old_head = repo.commits[-1]
    move_on(repo)
    assert shell("refresh", "suite", "--head", repo.commits[0]).is_clean_error("older than the suite's head", code=4)
    assert shell("refresh", "suite", "--head", "--all").is_clean_error("has no commit", code=4)

    begun = shell.start("refresh", "suite", "--runs", "1")
    while not (suite.path / "refresh/plan.json").exists():
        assert begun.poll() is None
        time.sleep(0.01)
    begun.kill()
    begun.communicate()
    assert shell(*run, "--out", "no").is_clean_error("not finished", "worktrial refresh")
    assert shell("refresh", "suite", "--head", repo.commits[-2]).is_clean_error("was begun", code=4)

    ended = shell("refresh", "suite", "--runs", "1", "--json", timeout=280)
    assert ended.code == 0, ended.err
    counts = {"came": 1, "stayed": 1, "changed": 1, "as_before": 0, "went": {"no_longer_backs_out": 1}}
    assert ended.json == {"version": 2, "head": repo.commits[-1], "tasks": 3, **counts}
    assert not (suite.path / "refresh").exists()
    came = f"shop-{repo.commits[-2][:10]}"
    assert suite.task_ids() == sorted([came, add, margin_task])
    first, second = lines(suite.path / "history.jsonl")
    assert (first["version"], first["head"], first["came"]) == (1, old_head, sorted([fix, add, margin_task]))
    assert (second["came"], second["stayed"], second["changed"]) == ([came], [margin_task], [add])
    retired = read_model(suite.retired_dir(fix, 2) / "retired.json", Retired, "record")
    assert (retired.reason, retired.head) == ("no_longer_backs_out", repo.commits[-1])
    assert "shop/names.py" in retired.detail
    assert (suite.retired_dir(fix, 2) / "solution.patch").read_bytes()
    assert any(line["record"] == "decision" for line in lines(suite.path / f"evidence/{fix}.jsonl"))

    again = shell("validate", "suite", "--runs", "1", "--json")
    assert f"left out: {fix}, retired in version 2: no_longer_backs_out" in again.err
    assert again.json["accepted"] == 3
    assert shell(*run, "--out", "two").code == 0
    runs = RunDir(shell.folder / "one"), RunDir(shell.folder / "two")
    assert runs[1].lock().suite_version == 2
    shared = shared_tasks(*runs)
    assert shared.tasks == shared.moved == (margin_task,)
    assert shared.apart == {fix: "only_first", add: "other_tests", came: "only_second"}
    assert "version 1 and version 2 of the suite share unchanged" in shared.sentence()


@pytest.mark.slow
def test_what_reviewers_retired_stays_as_it_was_and_a_limit_keeps_new_tasks_out(shell: Shell, shop: Repository) -> None:
    repo = shop
    suite = Suite(shell.folder / "suite")
    fix, add, margin_task = (f"shop-{commit[:10]}" for commit in repo.commits[1:])
    before = suite.task(add)
    move_on(repo)
    Desk(suite, "ann", suite.task_ids()).save(add, {"fate": "retire"})
    ended = shell("refresh", "suite", "--runs", "1", "--limit", "0", "--json", timeout=280)
    assert ended.code == 0, ended.err
    assert (ended.json["came"], ended.json["stayed"], ended.json["went"]) == (0, 1, {"no_longer_backs_out": 1})
    assert lines(suite.path / "history.jsonl")[1]["as_before"] == {add: "retired by ann"}
    assert suite.task_ids() == sorted([add, margin_task])
    assert suite.retired_dir(fix, 2).is_dir()
    assert suite.task(add) == before
    assert suite.task(margin_task).solution_tree != before.solution_tree


def logged(repo: Repository, folder: Path, prompt: str, subject: str) -> None:
    """Write a log, in the generic form, of a session that was asked `prompt` and made the newest commit."""
    commit, at = repo.commits[-1], repo.git("log", "-1", "--format=%cI")
    folder.mkdir(exist_ok=True)
    told: list[dict[str, object]] = [{"type": "session", "id": commit[:8], "cwd": str(repo.path), "at": at}]
    told.append({"type": "prompt", "text": prompt, "kind": "typed", "at": at})
    for path in repo.git("diff-tree", "-r", "--name-only", "HEAD^", "HEAD").splitlines():
        told.append({"type": "edit", "path": path, "diff": repo.git("diff", "HEAD^", "HEAD", "--", path)})
        told[-1]["outcome"] = "accepted"
    told.append({"type": "commit", "sha": commit, "subject": subject})
    (folder / f"{commit[:8]}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))


def tall(repo: Repository, name: str) -> str:
    """Commit a further change that can become a task, and return its id in the suite."""
    test = f"from shop.{name} import {name}\n\n\ndef test_{name}():\n    assert {name}(2) == 4\n"
    subject = f"Tell the {name}"
    commit = repo.commit(
        subject, {f"shop/{name}.py": f"def {name}(x):\n    return x + 2\n", f"tests/test_{name}.py": test}
    )
    return f"shop-{commit[:10]}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_refresh_asks_with_sessions_as_the_suite_was_mined_unless_told_otherwise(
    shell: Shell, shop: Repository
) -> None:
    logs = shell.folder / "logs"
    first = tall(shop, "height")
    logged(shop, logs, "Add a function that tells the height.\n\tAs it is.", "Tell the height")
    assert shell("mine", shop.path, "--suite", "suite", "--sessions", "logs").code == 0
    suite = Suite(shell.folder / "suite")
    asked = suite.info().sessions
    assert asked is not None
    assert (asked.paths, asked.only, asked.consolidate) == ((str(logs),), False, False)

    def refresh(*options: object) -> dict[str, Candidate]:
        ended = shell("refresh", "suite", "--runs", "1", "--json", *options, timeout=280)
        assert ended.code == 0, ended.err
        return {one.id: one for one in suite.candidates}

    second = tall(shop, "width")
    logged(shop, logs, "Add a function that tells the width.", "Tell the width")
    found = refresh()
    assert [(found[name].prompt, found[name].prompt_kind) for name in (first, second)] == [
        ("Add a function that tells the height.\n\tAs it is.", "prompt"),
        ("Add a function that tells the width.", "prompt"),
    ]
    assert suite.prompt(second) == "Add a function that tells the width."
    assert suite.info().sessions == asked

    shutil.move(logs, shell.folder / "moved")
    third = tall(shop, "depth")
    logged(shop, shell.folder / "moved", "Add a function that tells the depth.", "Tell the depth")
    before = suite.info()
    assert shell("refresh", "suite").is_clean_error("there is no log at", str(logs), "--sessions", code=4)
    assert suite.info() == before
    assert not (suite.path / "refresh").exists()
    assert refresh("--sessions", "moved", "--limit", "0")[third].prompt == "Add a function that tells the depth."
    again = suite.info().sessions
    assert again is not None
    assert again.paths == (str(shell.folder / "moved"),)

    fourth = tall(shop, "volume")
    logged(shop, shell.folder / "moved", "Add a function that tells the volume.", "Tell the volume")
    assert refresh("--sessions", "none", "--limit", "0")[fourth].prompt_kind == "message"
    assert suite.info().sessions is None
