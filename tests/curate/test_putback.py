"""Putting tasks back, on real repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.workshop import Link, Repository

from worktrial.curate.putback import put_back
from worktrial.formats.evidence import PutBack
from worktrial.store.git import Git, GitError, scratch_repository

SOURCE = "def f():\n    return 1\n\n\ndef g():\n    return 2\n\n\ndef h():\n    return 3\n"
TEST = "from m import f\n\n\ndef test_f():\n    assert f() == 1\n"


class Place:
    """A repository, and what putting one of its commits back gives."""

    def __init__(self, repo: Repository, scratch: Path) -> None:
        self.repo = repo
        self.git: Git = scratch_repository(scratch, repo.path / ".git/objects")

    def back(self, commit: str) -> PutBack:
        return put_back(self.git, self.repo.candidate(commit), self.repo.git("rev-parse", "HEAD"))

    def files(self, tree: str) -> dict[str, str]:
        return {path: oid for path, (_, oid) in self.git.tree_files(tree).items()}

    def text(self, tree: str, path: str) -> str | None:
        blob = self.git.blob(tree, path)
        return None if blob is None else blob.decode()

    def tree(self, commit: str) -> str:
        return self.repo.git("rev-parse", f"{commit}^{{tree}}")


@pytest.fixture
def place(new_repository: Callable[[], Repository], tmp_path: Path) -> Place:
    made = Place(new_repository(), tmp_path / "scratch.git")
    made.repo.commit(
        "Start", {"m.py": SOURCE, "tests/test_m.py": TEST, "README.md": "Read me.\n", "setup.cfg": "[a]\n"}
    )
    made.repo.commit("Changes", {"CHANGES.md": "# Changes\n\n- First.\n"})
    return made


def test_a_change_at_the_head_comes_out_whole(place: Place) -> None:
    commit = place.repo.commit("x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": TEST.replace("1", "5")})
    trees = place.back(commit)
    assert (trees.mode, trees.head, trees.detail) == ("backout", commit, "")
    assert trees.base_tree == place.tree(f"{commit}^")
    assert trees.solution_tree == place.tree(commit)
    assert place.text(trees.tests_tree, "m.py") == SOURCE
    assert place.text(trees.tests_tree, "tests/test_m.py") == TEST.replace("1", "5")


def test_a_change_whose_lines_moved_since_is_followed(place: Place) -> None:
    commit = place.repo.commit(
        "x", {"m.py": SOURCE.replace("return 3", "return 33"), "tests/test_m.py": TEST + "# x\n"}
    )
    later = '"""A module."""\n\nimport os\n\n\n' + SOURCE.replace("return 3", "return 33")
    place.repo.commit("y", {"m.py": later})
    trees = place.back(commit)
    assert trees.mode == "backout"
    assert place.text(trees.base_tree, "m.py") == later.replace("33", "3")


def test_a_change_that_was_changed_again_is_put_back_at_its_parent(place: Place) -> None:
    commit = place.repo.commit("x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": TEST.replace("1", "5")})
    place.repo.commit("y", {"m.py": SOURCE.replace("1", "7")})
    trees = place.back(commit)
    assert (trees.mode, trees.head) == ("parent", commit)
    assert "m.py" in trees.detail
    assert trees.base_tree == place.tree(f"{commit}^")
    assert trees.solution_tree == place.tree(commit)
    assert place.text(trees.tests_tree, "tests/test_m.py") == TEST.replace("1", "5")


def test_a_changelog_entry_is_taken_out_too(place: Place) -> None:
    commit = place.repo.commit(
        "x",
        {
            "m.py": SOURCE.replace("1", "5"),
            "tests/test_m.py": TEST + "# x\n",
            "CHANGES.md": "# Changes\n\n- First.\n- f returns five, as everybody expected it to do.\n",
        },
    )
    later = "# Changes\n\n- First.\n- g is better.\n- f returns five, as everybody expected it to do.\n- h is too.\n"
    place.repo.commit("y", {"CHANGES.md": later})
    trees = place.back(commit)
    assert trees.mode == "backout"
    for tree in (trees.base_tree, trees.tests_tree):
        assert place.text(tree, "CHANGES.md") == "# Changes\n\n- First.\n- g is better.\n- h is too.\n"


@pytest.mark.parametrize(
    "entry", ["- f returns five, as everybody expected it to do.", "++ f returns five, as expected ++"]
)
def test_documentation_that_would_tell_the_solution_sends_the_task_to_the_parent(place: Place, entry: str) -> None:
    commit = place.repo.commit(
        "x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": TEST + "# x\n", "NEWS.md": f"{entry}\nAnd so on.\n"}
    )
    place.repo.commit("y", {"NEWS.md": f"# 2.0\n\n{entry}\n\nBut no more of that.\n"})
    trees = place.back(commit)
    assert trees.mode == "parent"
    assert "NEWS.md" in trees.detail
    assert place.text(trees.base_tree, "NEWS.md") is None


def test_settings_that_changed_again_stay_as_they_are_today(place: Place) -> None:
    commit = place.repo.commit(
        "x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": TEST + "# x\n", "tox.ini": "[tool:of-some-length]\n"}
    )
    place.repo.commit("y", {"tox.ini": "[tool:of-some-length]\nmore = 1\n"})
    trees = place.back(commit)
    assert trees.mode == "backout"
    assert place.text(trees.base_tree, "tox.ini") == "[tool:of-some-length]\nmore = 1\n"


def test_a_renamed_source_file_has_its_old_name_back(place: Place) -> None:
    commit = place.repo.commit("x", {"m.py": None, "pkg/n.py": SOURCE, "tests/test_m.py": TEST.replace("m ", "pkg.n ")})
    trees = place.back(commit)
    assert set(place.files(trees.base_tree)) == {"m.py", "tests/test_m.py", "README.md", "CHANGES.md", "setup.cfg"}
    assert set(place.files(trees.tests_tree)) == set(place.files(trees.base_tree))
    assert "pkg/n.py" in place.files(trees.solution_tree)


def test_a_renamed_test_file_has_only_its_new_name_in_the_tests_state(place: Place) -> None:
    commit = place.repo.commit(
        "x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": None, "tests/test_better.py": TEST + "# x\n"}
    )
    trees = place.back(commit)
    assert "tests/test_m.py" in place.files(trees.base_tree)
    assert {path for path in place.files(trees.tests_tree) if "/" in path} == {"tests/test_better.py"}


def test_a_test_that_the_change_deleted_is_gone_from_the_tests_state(place: Place) -> None:
    place.repo.commit("old", {"tests/test_old.py": "def test_old():\n    pass\n"})
    commit = place.repo.commit("x", {"m.py": SOURCE.replace("1", "5"), "tests/test_old.py": None})
    trees = place.back(commit)
    assert "tests/test_old.py" in place.files(trees.base_tree)
    assert "tests/test_old.py" not in place.files(trees.tests_tree)


@pytest.mark.parametrize("at_head", [True, False])
def test_a_test_file_that_became_a_folder_is_a_folder_in_the_tests_state(place: Place, at_head: bool) -> None:
    place.repo.commit("before", {"tests/data": "one\n"})
    changed = SOURCE.replace("1", "5")
    commit = place.repo.commit("x", {"m.py": changed, "tests/data": None, "tests/data/one.txt": "two\n"})
    if not at_head:
        place.repo.commit("y", {"m.py": SOURCE.replace("1", "6")})
    trees = place.back(commit)
    assert trees.mode == ("backout" if at_head else "parent")
    assert "tests/data" in place.files(trees.base_tree)
    assert place.text(trees.tests_tree, "tests/data/one.txt") == "two\n"
    assert "tests/data" not in place.files(trees.tests_tree)


@pytest.mark.parametrize("at_head", [True, False])
def test_a_test_folder_that_became_a_file_is_a_file_in_the_tests_state(place: Place, at_head: bool) -> None:
    place.repo.commit("before", {"tests/data/one.txt": "two\n"})
    commit = place.repo.commit("x", {"m.py": SOURCE.replace("1", "5"), "tests/data/one.txt": None})
    (place.repo.path / "tests/data").rmdir() if (place.repo.path / "tests/data").exists() else None
    commit = place.repo.commit("x2", {"m.py": SOURCE.replace("1", "8"), "tests/data": "one\n"})
    if not at_head:
        place.repo.commit("y", {"m.py": SOURCE.replace("1", "6")})
    trees = place.back(commit)
    assert place.text(trees.tests_tree, "tests/data") == "one\n"


def test_binary_files_links_and_modes_come_out_and_go_back(place: Place) -> None:
    place.repo.commit("before", {"pkg/logo.dat": b"\0\1\2" * 40, "pkg/run.py": "print(1)\n"})
    commit = place.repo.commit(
        "x",
        {
            "pkg/logo.dat": b"\0\3\4" * 50,
            "tests/golden.bin": b"\0\xff" * 30,
            "tests/link.py": Link("test_m.py"),
            "pkg/run.py": "print(1)\n",
        },
        mode=0o755,
    )
    trees = place.back(commit)
    assert trees.mode == "backout"
    assert trees.base_tree == place.tree(f"{commit}^")
    modes = {path: mode for path, (mode, _) in place.git.tree_files(trees.tests_tree).items()}
    assert modes["tests/link.py"] == "120000"
    assert modes["pkg/run.py"] == "100644"
    assert place.git.blob(trees.tests_tree, "tests/golden.bin") == b"\0\xff" * 30


@pytest.mark.parametrize(
    "name", ["ünï cödé.py", "with 'quote\".py", "tab\there.py", "[glob]*.py", ":(top)x.py", "-dash.py"]
)
def test_names_of_any_kind_are_names(place: Place, name: str) -> None:
    commit = place.repo.commit("x", {f"pkg/{name}": SOURCE, f"tests/{name}": TEST, "tests/g.py": TEST})
    place.repo.commit("y", {"tests/g.py": TEST + "# other\n"})
    place.repo.commit("z", {"m.py": SOURCE + "# other\n"})
    trees = place.back(commit)
    assert f"pkg/{name}" not in place.files(trees.base_tree)
    assert f"tests/{name}" not in place.files(trees.base_tree)
    assert place.text(trees.tests_tree, f"tests/{name}") == TEST


def test_objects_that_a_clone_lacks_are_an_error_and_not_a_wrong_tree(place: Place) -> None:
    commit = place.repo.commit("x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": TEST.replace("1", "5")})
    place.repo.commit("y", {"m.py": SOURCE.replace("1", "7")})
    blob = place.repo.git("rev-parse", f"{commit}:m.py")
    (place.repo.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError):
        place.back(commit)


def test_the_users_repository_is_not_written_to(place: Place) -> None:
    commit = place.repo.commit("x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": TEST.replace("1", "5")})

    def content() -> dict[Path, bytes]:
        # Not times: git refreshes those of objects that it would have written otherwise.
        return {path: path.read_bytes() for path in (place.repo.path / ".git").rglob("*") if path.is_file()}

    before = content()
    place.back(commit)
    assert content() == before


def test_a_change_that_was_reverted_since_is_put_back_at_its_parent(place: Place) -> None:
    commit = place.repo.commit("x", {"m.py": SOURCE.replace("1", "5"), "tests/test_m.py": TEST.replace("1", "5")})
    place.repo.commit("y", {"m.py": SOURCE, "tests/test_m.py": TEST})
    assert place.back(commit).mode == "parent"
