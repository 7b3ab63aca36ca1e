"""People in what a change added are gone from its trees, and it is kept aside where its code needs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.mine.building import SOURCE, TEST, Repository, mined, repository

from worktrial.curate.putback import put_back
from worktrial.curate.redacting import NeedsSecretError, redact_trees
from worktrial.formats.evidence import PutBack
from worktrial.store.authors import known_names
from worktrial.store.git import Git, objects_dir, open_repository, scratch_repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = repository(tmp_path / "pkg")
    made.commit("Old words", {SOURCE: "VALUE = 1  # ask old@corp.io\n"})
    return made


def redacted(repo: Repository, tmp_path: Path) -> tuple[Git, PutBack, PutBack]:
    """Return git, the trees of the newest change, and the same redacted."""
    candidate = mined(repo.path).candidates[0]
    origin = open_repository(repo.path)
    git = scratch_repository(tmp_path / "scratch.git", objects_dir(origin))
    trees = put_back(git, candidate, repo.head)
    return git, trees, redact_trees(git, candidate, trees, known_names(origin))


def test_comments_documents_and_settings_are_redacted_in_both_trees_and_the_base_is_not(
    repo: Repository, tmp_path: Path
) -> None:
    repo.commit(
        "Add one",
        {
            SOURCE: "VALUE = 1  # ask old@corp.io\n\n\ndef one():  # by eve@corp.io\n    return 1\n",
            TEST: "from pkg import core\n\n# eve@corp.io\ndef test_one():\n    assert core.one() == 1\n",
            "README.md": "By eve@corp.io\n",
            "setup.cfg": "[metadata]\nauthor_email = eve@corp.io\n",
        },
    )
    git, before, after = redacted(repo, tmp_path)
    for path in (SOURCE, TEST, "README.md", "setup.cfg"):
        assert b"eve@" not in (git.blob(after.solution_tree, path) or b"")
        assert b"[email-1]" in (git.blob(after.solution_tree, path) or b"")
    assert b"eve@" not in (git.blob(after.tests_tree, TEST) or b"")
    assert b"old@corp.io" in (git.blob(after.solution_tree, SOURCE) or b"")
    assert after.base_tree == before.base_tree
    assert b"@corp" not in git.diff(after.base_tree, after.solution_tree).replace(b"old@corp.io", b"")
    assert git.diff(after.tests_tree, after.solution_tree)
    assert {(item.where, item.kind, item.count) for item in after.redacted} == {
        (SOURCE, "email", 1), (TEST, "email", 1), ("README.md", "email", 1), ("setup.cfg", "email", 1),
    }  # fmt: skip


@pytest.mark.parametrize("path", [SOURCE, TEST])
def test_a_change_whose_code_names_someone_is_kept_aside(repo: Repository, tmp_path: Path, path: str) -> None:
    repo.change("Add one", "one")
    repo.change("Add two", "two")
    file = repo.path / path
    repo.commit(
        "Add three",
        {
            SOURCE: (repo.path / SOURCE).read_text() + "\n\ndef three():\n    return 3\n",
            TEST: (repo.path / TEST).read_text() + "\n\ndef test_three():\n    assert core.three() == 3\n",
            path: file.read_text() + "\n\nWHO = 'eve@corp.io'\n\n\ndef three():\n    return WHO\n",
        },
    )
    with pytest.raises(NeedsSecretError, match=f"email in the code of {path}"):
        redacted(repo, tmp_path)


def test_trees_with_nothing_of_anybody_are_the_same(repo: Repository, tmp_path: Path) -> None:
    repo.change("Add one", "one")
    _, before, after = redacted(repo, tmp_path)
    assert after == before
