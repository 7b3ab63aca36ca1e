"""Putting a task back: the change reversed on the head of the day, or the tree as it was before the change."""

from __future__ import annotations

import tempfile
from pathlib import Path

from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import PutBack
from worktrial.store.git import Git, GitError

_TELLING = 20
"""Shortest stripped line of documentation, in characters, that counts as telling the solution."""


def put_back(git: Git, candidate: Candidate, head: str) -> PutBack:
    """Return the three trees of a task, written to `git`: by *backout* if the change reverses on `head`, else *parent*.

    Raises `GitError` when objects are missing.
    """
    with tempfile.TemporaryDirectory(prefix="index-", dir=git.git_dir) as folder:
        scratch = git.with_index(Path(folder) / "index")
        try:
            return _backout(scratch, candidate, head)
        except _IrreversibleError as obstacle:
            return _parent(scratch, candidate, str(obstacle))


class _IrreversibleError(Exception):
    """The change does not come out of the head without a trace; says what stands in the way."""


def _backout(git: Git, candidate: Candidate, head: str) -> PutBack:
    solution = git.text("rev-parse", f"{head}^{{tree}}")
    git.run("read-tree", solution)
    patch = git.diff(candidate.parent, candidate.commit, candidate.paths("source", "test"))
    try:
        # A three-way merge, as `git revert` makes it: lines that moved are followed, a conflict is a failure.
        git.run("apply", "--cached", "--reverse", "--3way", "--whitespace=nowarn", "-", data=patch)
    except GitError as error:
        unmerged = git.text("diff", "--cached", "--name-only", "--diff-filter=U").splitlines()
        where = ", ".join(unmerged[:3]) or error.cause
        raise _IrreversibleError(f"does not reverse on the head: {where}") from error
    if git.text("write-tree") == solution:
        raise _IrreversibleError("the head does not have the change any more")
    for path in candidate.paths("docs", "config", "other"):
        _back_out_leniently(git, candidate, path, solution)
    base = git.text("write-tree")
    tests = _with_files_of(git, base, solution, candidate.paths("test"))
    return PutBack(mode="backout", head=head, base_tree=base, tests_tree=tests, solution_tree=solution)


def _back_out_leniently(git: Git, candidate: Candidate, path: str, head: str) -> None:
    """Reverse a file that tests do not depend on, with less and less context; leave it if nothing of it can tell."""
    for context in ("3", "1", "0"):
        patch = git.run(
            *("diff-tree", "-p", "--binary", "--full-index", "--no-renames", f"-U{context}"),
            *(candidate.parent, candidate.commit, "--", f":(literal,top){path}"),
        )
        zero = ["--unidiff-zero"] if context == "0" else []
        if git.succeeds("apply", "--cached", "--reverse", "--whitespace=nowarn", *zero, "-", data=patch):
            return
    left = _added_lines(patch) & set((git.blob(head, path) or b"").splitlines())
    if left and path not in candidate.paths("config"):
        raise _IrreversibleError(f"{path} still tells of the change")


def _added_lines(patch: bytes) -> set[bytes]:
    _, _, hunks = patch.partition(b"\n@@ ")  # the headers before them have lines with `+++` too
    added = (line[1:] for line in hunks.splitlines() if line.startswith(b"+"))
    return {line for line in added if len(line.strip()) >= _TELLING}


def _parent(git: Git, candidate: Candidate, obstacle: str) -> PutBack:
    base = git.text("rev-parse", f"{candidate.parent}^{{tree}}")
    solution = git.text("rev-parse", f"{candidate.commit}^{{tree}}")
    tests = _with_files_of(git, base, solution, candidate.paths("test"))
    return PutBack(
        mode="parent",
        head=candidate.commit,
        base_tree=base,
        tests_tree=tests,
        solution_tree=solution,
        detail=obstacle,
    )


def _with_files_of(git: Git, base: str, other: str, paths: tuple[str, ...]) -> str:
    """Return `base` with `paths` as they are in `other`, those that are not there removed."""
    git.run("read-tree", base)
    entries = []
    for path in paths:
        listed = git.text("ls-tree", "-z", other, "--", f":(literal,top){path}").rstrip("\0")
        mode, kind, rest = listed.split(" ", 2) if listed else ("", "", "")
        if kind not in ("", "tree"):
            entries.append(f"{mode} {rest.split(chr(9), 1)[0]}\t{path}")
        else:
            entries.append(f"0 {'0' * 40}\t{path}")
    lines = "".join(f"{entry}\0" for entry in entries)
    git.run("update-index", "-z", "--index-info", data=lines.encode("utf-8", "surrogateescape"))
    return git.text("write-tree")
