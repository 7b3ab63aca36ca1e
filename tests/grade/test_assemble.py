"""The tree that is graded: what the agent did to tests and their infrastructure counts for nothing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from worktrial.errors import FormatError
from worktrial.formats.task import Task
from worktrial.grade.assemble import PatchError, apply_patch, assemble, solution_tree
from worktrial.languages import load
from worktrial.store.git import Git, GitError, scratch_repository
from worktrial.store.suite import Suite

PYTHON = load("python")
Change = Callable[[Path], object]


class Desk:
    """A task, and a folder with its base in which an agent's work is played."""

    def __init__(self, suite: Suite, task: str, folder: Path) -> None:
        self.suite = suite
        self.task: Task = suite.task(task)
        self.git: Git = suite.open_store(folder / "scratch.git")
        self.whole = solution_tree(self.git, suite, self.task)
        self.files = folder / "work"
        self.files.mkdir()
        self._work = self.git.with_index(folder / "index", self.files)
        self._work.run("read-tree", self.task.base_tree)
        self._work.run("checkout-index", "--all")

    def patch(self) -> bytes:
        """Return all of the agent's work as the patch of a trial."""
        env = self._work.environment()
        subprocess.run(Git.argv("-C", str(self.files), "add", "--all", "."), env=env, check=True)
        return self.git.diff(self.task.base_tree, self._work.text("write-tree"))

    def graded(self, patch: bytes | None = None) -> tuple[dict[str, tuple[str, str]], tuple[str, ...]]:
        """Return the files of the graded tree and what was restored."""
        found = assemble(self.git, PYTHON, self.task, self.patch() if patch is None else patch, self.whole)
        return self.git.tree_files(found.tree), found.restored

    def with_solution(self) -> dict[str, tuple[str, str]]:
        return self.git.tree_files(self.whole)


@pytest.fixture
def desk(suite: Path, tmp_path: Path) -> Desk:
    return Desk(Suite(suite), "fix", tmp_path)


def test_doing_nothing_gives_the_base_with_the_hidden_tests(desk: Desk) -> None:
    files, restored = desk.graded(b"")
    assert files == desk.git.tree_files(desk.task.tests_tree)
    assert restored == ()


def test_the_solution_gives_what_was_validated(desk: Desk) -> None:
    files, restored = desk.graded(desk.suite.patch("fix", "solution"))
    assert files == desk.with_solution()
    assert restored == ()


def test_source_of_every_kind_is_the_agents(desk: Desk) -> None:
    (desk.files / "shop/names.py").unlink()
    (desk.files / "shop/price.py").rename(desk.files / "shop/prices.py")
    (desk.files / "shop/new.py").write_text("x = 1\n")
    (desk.files / "shop/new.py").chmod(0o755)
    (desk.files / "shop/logo.png").write_bytes(b"\x89PNG\0\xff" * 20)
    (desk.files / "shop/link.py").symlink_to("new.py")
    (desk.files / "ünï tab\t.py").write_text("")
    files, restored = desk.graded()
    assert {path: mode for path, (mode, _) in files.items() if not path.startswith("tests/")} == {
        "README.md": "100644",
        "shop/__init__.py": "100644",
        "shop/link.py": "120000",
        "shop/logo.png": "100644",
        "shop/new.py": "100755",
        "shop/prices.py": "100644",
        "ünï tab\t.py": "100644",
    }
    assert restored == ()


def edit_test(files: Path) -> None:
    (files / "tests/test_names.py").write_text("def test_title():\n    pass\n")


def delete_test(files: Path) -> None:
    (files / "tests/test_price.py").unlink()


def link_test(files: Path) -> None:
    (files / "tests/test_names.py").unlink()
    (files / "tests/test_names.py").symlink_to("/etc/passwd")


def run_test(files: Path) -> None:
    (files / "tests/test_names.py").chmod(0o755)


@pytest.mark.parametrize("change", [edit_test, link_test, run_test])
def test_an_edited_test_is_put_back_and_said(desk: Desk, change: Change) -> None:
    change(desk.files)
    files, restored = desk.graded()
    assert files == desk.git.tree_files(desk.task.tests_tree)
    assert restored == ("tests/test_names.py",)


def test_a_deleted_test_is_put_back_and_said(desk: Desk) -> None:
    delete_test(desk.files)
    files, restored = desk.graded()
    assert files == desk.git.tree_files(desk.task.tests_tree)
    assert restored == ("tests/test_price.py",)


@pytest.mark.parametrize(
    "name",
    [
        "conftest.py", "shop/conftest.py", "tests/sub/conftest.py", "pytest.ini", ".pytest.ini", "pyproject.toml",
        "tox.ini", "setup.cfg", "sitecustomize.py", "usercustomize.py", "evil.pth", "tests/__init__.py",
        "tests/test_mine.py", "shop/test_mine.py", "PYTEST.INI",
    ],
)  # fmt: skip
def test_test_infrastructure_that_the_agent_adds_is_left_out_and_said(desk: Desk, name: str) -> None:
    (desk.files / name).parent.mkdir(exist_ok=True)
    (desk.files / name).write_text("def test_x():\n    assert 1\n")
    files, restored = desk.graded()
    assert files == desk.git.tree_files(desk.task.tests_tree)
    assert restored == (name,)


def folder_to_link(files: Path) -> None:
    (files / "tests").rename(files / "aside")
    (files / "tests").symlink_to("aside")


def folder_to_file(files: Path) -> None:
    for path in (files / "tests").iterdir():
        path.unlink()
    (files / "tests").rmdir()
    (files / "tests").write_text("gone\n")


def file_to_folder(files: Path) -> None:
    (files / "tests/conftest.py").unlink()
    (files / "tests/conftest.py").mkdir()
    (files / "tests/conftest.py/x.txt").write_text("x\n")


@pytest.mark.parametrize("change", [folder_to_link, folder_to_file, file_to_folder])
def test_files_and_folders_in_the_place_of_tests_make_way(desk: Desk, change: Change) -> None:
    change(desk.files)
    files, restored = desk.graded()
    tests = desk.git.tree_files(desk.task.tests_tree)
    assert {path: one for path, one in files.items() if path.startswith("tests")} == {
        path: one for path, one in tests.items() if path.startswith("tests")
    }
    assert restored


def test_a_test_file_whose_name_is_no_utf8_is_left_out_and_said_in_words(desk: Desk) -> None:
    Path(os.fsdecode(os.fsencode(desk.files) + b"/tests/test_\xff.py")).write_text("x")
    files, restored = desk.graded()
    assert files == desk.git.tree_files(desk.task.tests_tree)
    assert restored == ("tests/test_\\xff.py",)


@pytest.mark.parametrize(
    "name", ["../x.py", ".git/config", "a/../../x.py", "/etc/x.py", "shop/.git/hooks/x", ".GIT/config"]
)
def test_a_patch_that_reaches_outside_is_refused(desk: Desk, name: str) -> None:
    patch = f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n"
    with pytest.raises(PatchError):
        desk.graded(patch.encode())


@pytest.mark.parametrize("patch", [b"no patch\n", b"diff --git a/x b/x\n", b"\0\xff" * 100])
def test_what_is_no_patch_does_not_apply(desk: Desk, patch: bytes) -> None:
    with pytest.raises(PatchError):
        desk.graded(patch)


def test_a_patch_against_other_lines_does_not_apply(desk: Desk) -> None:
    patch = (
        b"diff --git a/shop/names.py b/shop/names.py\n--- a/shop/names.py\n+++ b/shop/names.py\n@@ -1 +1 @@\n-x\n+y\n"
    )
    with pytest.raises(PatchError):
        desk.graded(patch)


def test_whitespace_is_nothing(desk: Desk) -> None:
    assert apply_patch(desk.git, desk.task.base_tree, b" \n\n") == desk.task.base_tree


@pytest.mark.parametrize("which", ["solution", "tests"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "other"])
def test_a_damaged_task_is_said_to_be_damaged(suite: Path, tmp_path: Path, which: str, damage: str) -> None:
    path = suite / f"tasks/fix/{which}.patch"
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        other = re.sub(rb"(?m)^\+(?!\+\+)(.*)$", rb"+\1 # and more", data, count=1)
        path.write_bytes({"cut": data[:-20], "empty": b"", "other": other}[damage])
    opened = Suite(suite)
    git = opened.open_store(tmp_path / "scratch.git")
    with pytest.raises(FormatError, match="fix"):
        solution_tree(git, opened, opened.task("fix"))


def test_git_errors_of_applying_name_no_path_of_ours(tmp_path: Path) -> None:
    git = scratch_repository(tmp_path / "g.git")
    with pytest.raises(GitError) as caught:
        apply_patch(git, "4b825dc642cb6eb9a060e54bf8d69288fbee4904", b"garbage\n")
    assert str(tmp_path) not in caught.value.cause
