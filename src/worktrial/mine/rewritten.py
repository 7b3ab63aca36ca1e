"""Whether a change leaves the code as it was: laid out anew, or with other comments."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from types import CodeType
from typing import Literal

from worktrial.mine.changes import Edit

_LAYOUT = b" \t\r\n\f,'\"()[]{}\\"

_OF_CODE = (
    "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_name", "co_flags", "co_argcount",
    "co_posonlyargcount", "co_kwonlyargcount",
)  # fmt: skip

Rewritten = Literal["formatting_only", "comments_only"]


def only_rewritten(edits: Sequence[Edit], text: Callable[[str | None], str | None]) -> Rewritten | None:
    """Tell whether none of `edits` changes what the code does, and in which way; None when one does or may.

    The changed lines are compared first, without layout; only where they agree are both files compiled, `text` giving
    that of a blob. Brackets and commas can make all the difference (`("a")`, `("a",)`), so that the compiler has
    the last word; what it cannot read counts as changed. Docstrings are code: programs print them.
    """
    if not all(_alike(edit) for edit in edits):
        return None
    if not all(_same_code(edit, text) for edit in edits):
        return None
    if all(_plain(edit.removed, comments=True) == _plain(edit.added, comments=True) for edit in edits):
        return "formatting_only"
    return "comments_only"


def _alike(edit: Edit) -> bool:
    """Tell whether the lines of one file may say the same, before anything is read."""
    if edit.binary or edit.touched.old is None or edit.touched.new is None:
        return False
    if edit.touched.path.endswith(".py"):
        return _plain(edit.removed, comments=False) == _plain(edit.added, comments=False)
    return b"".join(b"".join(edit.removed).split()) == b"".join(b"".join(edit.added).split())


def _same_code(edit: Edit, text: Callable[[str | None], str | None]) -> bool:
    """Tell whether both versions of a Python file compile to the same code; of another file, its lines have told."""
    if not edit.touched.path.endswith(".py"):
        return True
    old, new = text(edit.touched.old), text(edit.touched.new)
    if old is None or new is None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _same(compile(old, "", "exec", dont_inherit=True), compile(new, "", "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _same(one: object, other: object) -> bool:
    """Tell whether two constants, or two pieces of compiled code with all they hold, are the same but for positions.

    Far cheaper than comparing syntax trees, which are all made of Python objects.
    """
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return all(getattr(one, name) == getattr(other, name) for name in _OF_CODE) and _same(
            one.co_consts, other.co_consts
        )
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other and repr(one) == repr(other)


def _plain(lines: Iterable[bytes], *, comments: bool) -> bytes:
    """Return what lines say without layout; without comments too unless they are wanted.

    A `#` in a string ends the line as well: the compiler judges what then looks alike.
    """
    return b"".join(line if comments else line.partition(b"#")[0] for line in lines).translate(None, _LAYOUT)
