"""Languages worktrial can make tasks of: one plugin each, behind one Protocol, loaded when asked for."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import TYPE_CHECKING

from worktrial.errors import FormatError

if TYPE_CHECKING:
    from worktrial.languages.protocol import Language

_LANGUAGES = {"python": "worktrial.languages.python:PYTHON", "go": "worktrial.languages.golang:GO"}
DEFAULT = "python"
"""The language of a repository that has tests of none."""


def names() -> tuple[str, ...]:
    """Return the names of the languages there are."""
    return tuple(_LANGUAGES)


def load(name: str) -> Language:
    """Return the language called `name`. Raises `FormatError` for an unknown one: names come from files."""
    try:
        module, attribute = _LANGUAGES[name].split(":")
    except KeyError:
        raise FormatError(f"unknown language {name!r}", hint=f"this version knows: {', '.join(_LANGUAGES)}") from None
    language: Language = getattr(import_module(module), attribute)
    return language


def detect(paths: Collection[str]) -> tuple[str | None, int]:
    """Return the language with the most files of tests among `paths`, and how many those are; None: no known one."""
    best: tuple[str | None, int] = (None, 0)
    for name in names():
        language = load(name)
        tests = sum(language.holds_tests(path) and language.role(path, lambda: None) == "test" for path in paths)
        if tests > best[1]:
            best = (name, tests)
    return best
