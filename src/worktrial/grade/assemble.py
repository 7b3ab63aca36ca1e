"""The tree that is graded: what the agent changed, with everything that decides how tests run put back."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from worktrial.errors import FormatError, WorktrialError
from worktrial.formats.task import Task
from worktrial.languages.protocol import Language
from worktrial.store.git import Git, GitError
from worktrial.store.suite import Suite


class PatchError(WorktrialError):
    """The agent's patch does not apply to the task's base."""


@dataclass(frozen=True)
class Graded:
    """A tree to grade."""

    tree: str
    restored: tuple[str, ...]
    """Paths of tests and test infrastructure that the agent had changed."""


def solution_tree(git: Git, suite: Suite, task: Task) -> str:
    """Return the tree of base, hidden tests and solution together.

    Raises `FormatError` when the task's patches do not give what was validated: the suite was tampered with or torn.
    """
    try:
        tests = apply_patch(git, task.base_tree, suite.patch(task.id, "tests"))
        whole = apply_patch(git, tests, suite.patch(task.id, "solution"))
    except GitError as error:
        raise _torn(task, error.cause) from error
    if tests != task.tests_tree:
        raise _torn(task, "its tests are not those that were validated")
    if whole != task.solution_tree:
        raise _torn(task, "its solution is not the one that was validated")
    return whole


def _torn(task: Task, cause: str) -> FormatError:
    return FormatError(f"task {task.id} is damaged", cause=cause, hint="remove its folder and validate the suite again")


def apply_patch(git: Git, tree: str, patch: bytes) -> str:
    """Return `tree` with `patch` applied. Raises `GitError` when it does not apply or names paths outside of it."""
    if not patch.strip():
        return tree
    with tempfile.TemporaryDirectory(prefix="index-", dir=git.git_dir) as folder:
        scratch = git.with_index(Path(folder) / "index")
        scratch.run("read-tree", tree)
        scratch.run("apply", "--cached", "--whitespace=nowarn", "-", data=patch)
        return scratch.text("write-tree")


def assemble(git: Git, language: Language, task: Task, patch: bytes, whole: str) -> Graded:
    """Return the agent's tree with tests and test infrastructure as they are in `whole`.

    Files of that kind that only the agent's tree has are left out. Raises `PatchError`.
    """
    try:
        changed = apply_patch(git, task.base_tree, patch)
    except GitError as error:
        raise PatchError("the patch does not apply to the task's base", cause=error.cause) from error
    agent, validated, base = git.tree_files(changed), git.tree_files(whole), git.tree_files(task.base_tree)
    final = dict(agent)
    restored = []
    for path in sorted({*agent, *validated}):
        # Where both trees agree it does not matter what a file is.
        if agent.get(path) == validated.get(path):
            continue
        if not _decides_tests(git, language, changed if path in agent else whole, path):
            continue
        final.pop(path, None)
        if path in validated:
            restored += _clear(final, path)
            final[path] = validated[path]
        if agent.get(path) != base.get(path):
            restored.append(path)
    return Graded(_write_tree(git, final), tuple(sorted(map(_readable, restored))))


def _clear(files: dict[str, tuple[str, str]], path: str) -> list[str]:
    """Take out and return what stands where `path` belongs: files or links in place of its folders, or a folder."""
    above = [path[:end] for end, letter in enumerate(path) if letter == "/"]
    in_the_way = [folder for folder in above if folder in files]
    in_the_way += [other for other in files if other.startswith(f"{path}/")]
    for other in in_the_way:
        del files[other]
    return in_the_way


def _readable(path: str) -> str:
    """Return a path as text that any file can hold; bytes that are no UTF-8 as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _decides_tests(git: Git, language: Language, tree: str, path: str) -> bool:
    return language.infrastructure(path) or language.role(path, partial(git.file_text, tree, path)) == "test"


def _write_tree(git: Git, files: dict[str, tuple[str, str]]) -> str:
    lines = "".join(f"{mode} {oid}\t{path}\0" for path, (mode, oid) in files.items())
    with tempfile.TemporaryDirectory(prefix="index-", dir=git.git_dir) as folder:
        scratch = git.with_index(Path(folder) / "index")
        scratch.run("update-index", "-z", "--index-info", data=lines.encode("utf-8", "surrogateescape"))
        return scratch.text("write-tree")
