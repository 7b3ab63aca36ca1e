"""`worktrial mine` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.e2e.workshop import WARM
from tests.mine.building import SOURCE, Repository, repository

from worktrial.formats.evidence import CoverageRun
from worktrial.store.suite import Suite


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = repository(tmp_path / "My Pkg")
    made.change("Add one (#7)\n\nCo-authored-by: A <a@b.org>", "one")
    made.commit("Docs", {"README.md": "more\n"})
    return made


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path / "suite")


def run(*args: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `worktrial mine` and check its exit code."""
    arguments = ["mine", *map(str, args)]
    code, out, err = WARM.run(arguments, folder=Path.cwd(), env=os.environ, timeout_s=120)
    done = subprocess.CompletedProcess(arguments, code, out.decode(), err.decode())
    assert done.returncode == expect, done.stderr
    return done


def listing(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder with their content."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_it_writes_a_suite_and_prints_the_funnel(repo: Repository, suite: Suite) -> None:
    done = run(repo.path, "--suite", suite.path, "--json")
    [line] = done.stdout.splitlines()
    assert json.loads(line) == {"funnel": {"root_commit": 1, "docs_only": 1}, "candidates": 1, "accepted": 0}
    assert "docs_only" in done.stderr
    [candidate] = suite.candidates
    assert (candidate.id[:7], candidate.prompt, candidate.language) == ("my-pkg-", "Add one", "python")
    assert candidate.message == "Add one (#7)\n\nCo-authored-by: A <a@b.org>"
    assert {removal.kind for removal in candidate.removed} == {"reference", "trailer"}
    assert [change.role for change in candidate.files] == ["source", "test"]
    info = suite.info()
    assert (info.repository, info.head, info.commits_read) == (str(repo.path), repo.head, 3)
    assert {rejection.reason for rejection in suite.rejections} == {"root_commit", "docs_only"}


def test_candidates_come_newest_first(repo: Repository, suite: Suite) -> None:
    repo.change("Add two", "two")
    run(repo.path, "--suite", suite.path)
    assert [candidate.subject for candidate in suite.candidates] == ["Add two", "Add one (#7)"]


def test_without_json_nothing_goes_to_standard_output(repo: Repository, suite: Suite) -> None:
    assert run(repo.path, "--suite", suite.path).stdout == ""


def test_mining_again_updates_the_suite_and_keeps_tasks_and_evidence(repo: Repository, suite: Suite) -> None:
    run(repo.path, "--suite", suite.path)
    [first] = suite.candidates
    suite.evidence(first.id).append(CoverageRun(wall_s=1, ended="completed", tests=1))
    task = suite.task_dir(first.id) / "task.toml"
    task.parent.mkdir(parents=True)
    task.write_text("kept = true\n")
    repo.change("Add two", "two")
    done = run(repo.path, "--suite", suite.path, "--json")
    assert json.loads(done.stdout)["accepted"] == 1
    assert [candidate.subject for candidate in suite.candidates] == ["Add two", "Add one (#7)"]
    assert task.read_text() == "kept = true\n"
    assert len(list(suite.evidence(first.id))) == 1


def test_mining_again_with_nothing_new_changes_only_the_time(repo: Repository, suite: Suite) -> None:
    run(repo.path, "--suite", suite.path)
    before = listing(suite.path)
    run(repo.path, "--suite", suite.path)
    after = listing(suite.path)
    assert {name for name in before if before[name] != after[name]} <= {str(suite.path / "suite.toml")}


def test_a_repository_that_moved_is_still_the_suites_own(repo: Repository, suite: Suite) -> None:
    run(repo.path, "--suite", suite.path)
    moved = repo.path.rename(repo.path.with_name("moved"))
    run(moved, "--suite", suite.path)
    assert suite.info().repository == str(moved)
    assert [candidate.id[:7] for candidate in suite.candidates] == ["my-pkg-"]


def test_a_suite_of_another_repository_is_left_alone(repo: Repository, suite: Suite, tmp_path: Path) -> None:
    run(repo.path, "--suite", suite.path)
    before = listing(suite.path)
    other = repository(tmp_path / "other")
    other.change("Add one", "uno")
    done = run(other.path, "--suite", suite.path, expect=4)
    assert f"error: the suite at {suite.path} is of another repository" in done.stderr
    assert listing(suite.path) == before


def test_a_folder_with_something_else_in_it_is_left_alone(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").write_text("x")
    done = run(repo.path, "--suite", tmp_path / "full", expect=4)
    assert "error:" in done.stderr
    assert "cause: it holds thesis.tex" in done.stderr
    assert list(listing(tmp_path / "full")) == [str(tmp_path / "full/thesis.tex")]


def test_an_empty_folder_and_what_a_killed_run_left_are_taken(repo: Repository, suite: Suite) -> None:
    suite.path.mkdir()
    run(repo.path, "--suite", suite.path)
    (suite.path / "suite.toml").unlink()
    (suite.path / ".suite.toml.abc").write_text("torn")
    run(repo.path, "--suite", suite.path)
    assert suite.info().head == repo.head


def test_a_corrupt_suite_file_is_an_error_that_names_it(repo: Repository, suite: Suite) -> None:
    run(repo.path, "--suite", suite.path)
    (suite.path / "suite.toml").write_text("name = ")
    done = run(repo.path, "--suite", suite.path, expect=1)
    assert f"error: {suite.path}/suite.toml is not a valid suite file" in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize("as_json", [True, False])
def test_a_repository_without_tests_is_an_error_and_writes_nothing(tmp_path: Path, as_json: bool) -> None:
    bare = repository(tmp_path / "bare")
    bare.commit("More", {SOURCE: "VALUE = 2\n"})
    bare.commit("Again", {SOURCE: "VALUE = 3\n"})
    done = run(bare.path, "--suite", tmp_path / "suite", *(["--json"] if as_json else []), expect=1)
    assert "error: no change in this history can become a task" in done.stderr
    assert "cause: 2 of 3 changes: no_tests" in done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "suite").exists()
    if as_json:
        assert json.loads(done.stdout)["candidates"] == 0


def test_a_repository_in_a_language_there_is_not_says_which_there_are(tmp_path: Path) -> None:
    made = repository(tmp_path / "rust")
    for number in range(2):
        made.commit("More", {"src/lib.rs": f"// {number}\n", "tests/lib.rs": f"// {number}\n"})
    done = run(made.path, "--suite", tmp_path / "suite", expect=1)
    assert "other_language" in done.stderr
    assert "hint: tasks can be in python or go" in done.stderr


def test_what_is_no_repository_is_an_error(tmp_path: Path) -> None:
    assert "is not a git repository" in run(tmp_path, "--suite", tmp_path / "suite", expect=1).stderr
    assert "there is no folder" in run(tmp_path / "none", "--suite", tmp_path / "suite", expect=1).stderr
    assert not (tmp_path / "suite").exists()


def test_an_empty_repository_is_an_error(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path / "empty"], check=True)
    assert "has no commit to read" in run(tmp_path / "empty", "--suite", tmp_path / "suite", expect=1).stderr


@pytest.mark.parametrize("date", ["yesterday", "2024-13-01", ""])
def test_a_date_that_is_none_is_an_error(repo: Repository, suite: Suite, date: str) -> None:
    done = run(repo.path, "--suite", suite.path, "--since", date, expect=4)
    assert "error: --since" in done.stderr
    assert "2024-01-31" in done.stderr


def test_since_in_the_future_leaves_no_commit(repo: Repository, suite: Suite) -> None:
    done = run(repo.path, "--suite", suite.path, "--since", "2999-01-01", expect=1)
    assert "error: no commit is in reach" in done.stderr


def test_limits_are_taken(repo: Repository, suite: Suite) -> None:
    repo.change("Add two", "two")
    done = run(repo.path, "--suite", suite.path, "--max-commits", 1, "--json")
    assert json.loads(done.stdout) == {"funnel": {}, "candidates": 1, "accepted": 0}
    run(repo.path, "--suite", suite.path, "--max-commits", 0, "--since", "2020-01-01T00:00:00+02:00")
    assert len(list(suite.candidates)) == 2


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="root writes everywhere")
def test_a_suite_that_cannot_be_written_is_an_error(repo: Repository) -> None:
    done = run(repo.path, "--suite", "/proc/suite", expect=1)
    assert "error: could not write" in done.stderr


def test_it_says_what_comes_next_and_its_counts_add_up(repo: Repository, suite: Suite) -> None:
    repo.change("Add two\n\nBy Ann Smith <ann.smith@example.org>", "two")
    said = run(repo.path, "--suite", suite.path).stderr
    assert f"Next: worktrial validate {suite.path} --limit 20" in said
    counts = {
        words[0]: int(words[1]) for line in said.splitlines() if (words := line.split())[1:2] and words[1].isdigit()
    }
    assert counts["changes"] == 4
    assert counts["root_commit"] + counts["docs_only"] + counts["candidates"] == counts["changes"]


def test_of_a_clone_that_was_cut_off_it_says_how_to_get_the_rest(tmp_path: Path) -> None:
    """More of its changes may be lost for other reasons: those are not what more commits would mend."""
    made = repository(tmp_path / "repo")
    for number in range(3):
        made.commit("Docs", {"README.md": f"{number}\n"})
    shallow = made.clone(tmp_path / "shallow", "--depth=3", cut_off=True)
    said = run(shallow, "--suite", tmp_path / "suite", expect=1).stderr
    assert "cause: 2 of 3 changes: docs_only" in said
    assert "hint: this clone is shallow: git fetch --unshallow" in said
