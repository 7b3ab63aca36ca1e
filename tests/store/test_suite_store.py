"""The tree store of a suite: one parentless commit per tree, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.workshop import Repository

from worktrial.errors import FormatError
from worktrial.store.git import Git, objects_dir, open_repository, scratch_repository
from worktrial.store.suite import Suite


def test_only_kept_trees_are_in_the_store(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    first = repository.commit("secret message", {"a.txt": "one\n", "old.txt": "gone soon\n"})
    second = repository.commit("two", {"a.txt": "two\n", "old.txt": None, "deep/b.txt": "b\n"})
    source = scratch_repository(tmp_path / "scratch", objects_dir(open_repository(repository.path)))
    suite = Suite(tmp_path / "suite")
    trees = [source.text("rev-parse", f"{commit}^{{tree}}") for commit in (second, second)]
    for tree in trees:
        suite.keep_tree(source, tree)
    store = Git(suite.store)
    refs = store.text("for-each-ref", "--format=%(refname) %(objecttype)").splitlines()
    assert refs == [f"refs/trees/{trees[0]} commit"]
    commit = store.text("rev-parse", f"refs/trees/{trees[0]}")
    assert store.text("rev-list", "--parents", "--all") == commit
    assert "secret" not in store.text("cat-file", "commit", commit)
    everything = set(store.text("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").splitlines())
    reachable = set(store.text("rev-list", "--objects", "--no-object-names", "--all").splitlines())
    assert everything == reachable
    assert not store.succeeds("cat-file", "-e", first)
    assert not (suite.store / "objects/info/alternates").exists()
    assert not (suite.store / "logs").exists()
    assert suite.open_store(tmp_path / "reading").blob(trees[0], "deep/b.txt") == b"b\n"


def test_a_suite_without_a_store_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no tree store") as caught:
        Suite(tmp_path / "suite").open_store(tmp_path / "scratch")
    assert "worktrial validate" in caught.value.hint
