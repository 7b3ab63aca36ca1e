"""Languages worktrial can make tasks of: one plugin each, behind one Protocol, loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from worktrial.errors import FormatError

if TYPE_CHECKING:
    from worktrial.languages.protocol import Language

_LANGUAGES = {"python": "worktrial.languages.python:PYTHON", "go": "worktrial.languages.golang:GO"}


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
