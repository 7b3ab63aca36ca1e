"""Syntax trees of the repository's Python, by one thread at a time."""

from __future__ import annotations

import ast
import threading
import warnings

_LOCK = threading.Lock()


def parse(text: str) -> ast.Module:
    """Parse without a word about odd escapes: they are the repository's, not ours.

    Raises what `ast.parse` raises on text that is not Python: `SyntaxError`, `ValueError`, `RecursionError` or
    `MemoryError`. Before 3.11.8 and 3.12.2, Python counts the depth of a tree for all threads together, and two that
    parse at once may end in a `SystemError` (python/cpython#106905); filters of warnings are of all threads too.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def same_code(path: str, before: str, after: str) -> bool:
    """Tell whether two versions of a file differ in nothing but comments; False for what is not Python."""
    if not path.endswith((".py", ".pyi")):
        return False
    try:
        return ast.dump(parse(before)) == ast.dump(parse(after))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
