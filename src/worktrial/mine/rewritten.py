"""Whether a change leaves the code as it was: laid out anew, or with other comments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from worktrial.languages.protocol import Language
from worktrial.mine.changes import Edit

_LAYOUT = b" \t\r\n\f,'\"()[]{}\\"

Rewritten = Literal["formatting_only", "comments_only"]


def only_rewritten(
    edits: Sequence[Edit], text: Callable[[str | None], str | None], language: Language
) -> Rewritten | None:
    """Tell whether none of `edits` changes what the code does, and in which way; None when one does or may.

    The changed lines are compared first, without layout; only where they agree are both files read, `text` giving
    that of a blob. Brackets and commas can make all the difference (`("a")`, `("a",)`), so that the language has
    the last word; what it cannot read counts as changed. Docstrings are code: programs print them.
    """
    if not all(_alike(edit, language) for edit in edits):
        return None
    if not all(_same_code(edit, text, language) for edit in edits):
        return None
    if all(_plain(edit.removed) == _plain(edit.added) for edit in edits):
        return "formatting_only"
    return "comments_only"


def _alike(edit: Edit, language: Language) -> bool:
    """Tell whether the lines of one file may say the same, before anything is read."""
    if edit.binary or edit.touched.old is None or edit.touched.new is None:
        return False
    if edit.touched.path.endswith(language.suffixes):
        return _plain(edit.removed, language.comment) == _plain(edit.added, language.comment)
    return b"".join(b"".join(edit.removed).split()) == b"".join(b"".join(edit.added).split())


def _same_code(edit: Edit, text: Callable[[str | None], str | None], language: Language) -> bool:
    """Tell whether both versions of a file of the language are the same code; of another, its lines have told."""
    if not edit.touched.path.endswith(language.suffixes):
        return True
    old, new = text(edit.touched.old), text(edit.touched.new)
    return old is not None and new is not None and language.same_code(edit.touched.path, old, new)


def _plain(lines: Iterable[bytes], comment: bytes | None = None) -> bytes:
    """Return what lines say without layout; without comments too where it is said what begins one.

    Such a sign in a string ends the line as well: the language judges what then looks alike.
    """
    return b"".join(line if comment is None else line.partition(comment)[0] for line in lines).translate(None, _LAYOUT)
