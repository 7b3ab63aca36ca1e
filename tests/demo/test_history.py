"""The history that is shipped for the demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from worktrial.demo import write_history
from worktrial.errors import UsageError
from worktrial.store.git import Git, open_repository

HEAD = "0a00f5a2af426ef895c20334ac1e0bee17176e8c"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the repository, written once."""
    return write_history(tmp_path_factory.mktemp("demo") / "tally")


def _suite(folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False)


def test_it_is_the_same_on_every_machine(repository: Path) -> None:
    """Down to the id of its head; so tasks of it are comparable."""
    git = open_repository(repository)
    assert git.text("rev-parse", "HEAD") == HEAD
    assert git.text("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert git.text("rev-list", "--count", "HEAD") == "26"
    assert set(git.text("log", "--format=%an <%ae>").splitlines()) == {"Ada Example <ada@example.org>"}


def test_it_is_a_clean_checkout_with_plain_settings(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the user's configuration goes into it: no hooks, no other branch, no work tree elsewhere."""
    assert Git(repository / ".git", work_tree=repository).text("status", "--porcelain") == ""
    assert not (repository / ".git/hooks").exists()
    config = tmp_path / "config"
    config.write_text("[init]\n\tdefaultBranch = trunk\n[core]\n\tautocrlf = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    other = write_history(tmp_path / "other")
    for name in (".git/config", ".git/HEAD", "src/tally/ledger.py"):
        assert (other / name).read_bytes() == (repository / name).read_bytes()
    assert "worktree" not in (other / ".git/config").read_text()


def test_its_tests_pass_at_the_head_and_notice_a_change_taken_back(repository: Path) -> None:
    """The last change is a task: without its source its tests fail."""
    assert _suite(repository).returncode == 0
    git = Git(repository / ".git", work_tree=repository)
    patch = git.diff("HEAD~1", "HEAD", ["src"])
    command = git.argv("-C", str(repository), "apply", "-R")
    subprocess.run(command, env=git.environment(), input=patch, check=True)
    try:
        assert _suite(repository).returncode != 0
    finally:
        git.run("reset", "--quiet", "--hard")


def test_enough_changes_can_be_backed_out_on_the_head(repository: Path) -> None:
    """At least eight changes of source and tests reverse cleanly, so the demo shows backout, and others do not."""
    git = open_repository(repository)
    commits = git.text("rev-list", "--no-merges", "HEAD").splitlines()[:-1]
    reversed_cleanly = 0
    both = 0
    work_tree = Git(git.git_dir, work_tree=repository)
    for commit in commits:
        paths = git.text("diff-tree", "-r", "--name-only", f"{commit}^", commit).splitlines()
        if not (any(path.startswith("src/") for path in paths) and any(path.startswith("tests/") for path in paths)):
            continue
        both += 1
        patch = git.diff(f"{commit}^", commit, ["src", "tests"])
        command = work_tree.argv("-C", str(repository), "apply", "-R", "--check")
        done = subprocess.run(command, env=work_tree.environment(), input=patch, capture_output=True, check=False)
        reversed_cleanly += done.returncode == 0
    assert both > reversed_cleanly >= 8


def test_it_is_not_written_over_something(tmp_path: Path) -> None:
    """A folder with anything in it is refused and left alone."""
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UsageError, match="is not empty"):
        write_history(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
