"""People in the lines a change added: replaced in the trees before anything is run, so that what is stored was tried.

Only comments, documents, settings and data are changed so. What a program or test says in its code stays or goes whole:
a change that names people there is not made a task, for without the names it may not do what it did.
"""

from __future__ import annotations

from worktrial.errors import WorktrialError
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import PutBack
from worktrial.formats.redaction import Redaction
from worktrial.languages import load
from worktrial.redaction.people import KnownNames
from worktrial.redaction.redactor import Redactor
from worktrial.store.git import Git

_LARGEST = 4 * 1024 * 1024
"""Bytes; what is larger is data, and is not read."""


class NeedsSecretError(WorktrialError):
    """Redaction would change what the change does; says where."""


def redact_trees(git: Git, candidate: Candidate, trees: PutBack, known: KnownNames) -> PutBack:
    """Return trees whose added lines tell of no one, written to `git`; the same where there is nothing to replace.

    Lines that the base has already stay: they are the repository's. Raises `NeedsSecretError`.
    """
    if not _names_someone(git.diff(trees.base_tree, trees.solution_tree), known):
        return trees
    redactor = Redactor(known)
    changed: dict[str, bytes] = {}
    for path, (old_blob, new_blob) in _changed_files(git, trees.base_tree, trees.solution_tree).items():
        text = git.run("cat-file", "blob", new_blob)
        old = git.run("cat-file", "blob", old_blob) if old_blob else b""
        redacted = _added_redacted(old, text, path, redactor)
        if redacted != text:
            _check(candidate, path, text, redacted, redactor)
            changed[path] = redacted
    if not changed:
        return trees
    beside_tests = _changed_files(git, trees.tests_tree, trees.solution_tree)
    in_tests = {path: data for path, data in changed.items() if path not in beside_tests}
    found = redactor.found()
    return trees.model_copy(
        update={
            "tests_tree": git.with_files(trees.tests_tree, in_tests) if in_tests else trees.tests_tree,
            "solution_tree": git.with_files(trees.solution_tree, changed),
            "redacted": tuple(
                Redaction(of=candidate.id, where=item.where, kind=item.kind, count=item.count) for item in found
            ),
        }
    )


def _names_someone(patch: bytes, known: KnownNames) -> bool:
    """Tell from the patch alone, for most have nothing; lines of binary files may look like something, and are read."""
    redactor = Redactor(known)
    redactor.data(b"\n".join(line[1:] for line in patch.split(b"\n") if line.startswith(b"+")), "patch")
    return bool(redactor.found())


def _changed_files(git: Git, old: str, new: str) -> dict[str, tuple[str, str]]:
    """Return the files of `new` that are not so in `old`, by path: their blobs there (empty: none) and here."""
    fields = git.text("diff-tree", "-r", "-z", "--no-renames", "--full-index", old, new).split("\0")
    found = {}
    for entry, path in zip(fields[::2], fields[1::2], strict=False):
        _, mode, old_blob, new_blob, status = entry.split(" ")
        if mode in ("100644", "100755"):
            found[path] = ("" if status == "A" or not old_blob.strip("0") else old_blob, new_blob)
    return found


def _added_redacted(old: bytes, new: bytes, path: str, redactor: Redactor) -> bytes:
    """Return `new` with those of its lines redacted that `old` has not."""
    if old == new or b"\0" in new[:8000] or len(new) > _LARGEST:
        return new
    known = set(old.split(b"\n"))
    return b"\n".join(line if line in known else redactor.data(line, path) for line in new.split(b"\n"))


def _check(candidate: Candidate, path: str, text: bytes, redacted: bytes, redactor: Redactor) -> None:
    if path not in candidate.paths("source", "test"):
        return
    was, is_now = (data.decode("utf-8", "replace") for data in (text, redacted))
    if not load(candidate.language).same_code(path, was, is_now):
        kinds = sorted({item.kind for item in redactor.found() if item.where == path})
        raise NeedsSecretError(f"{', '.join(kinds)} in the code of {path}")
