"""Taking out of a prompt what points at the solution, and keeping a list of it. People are the matter of `redacting`.

Rules run in order, again and again until none finds anything: what is cleaned stays clean when cleaned again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from worktrial.formats.candidate import Removal
from worktrial.mine.forms import FORMS, Kind
from worktrial.mine.hashes import without_hashes
from worktrial.mine.quoted import without_solution
from worktrial.mine.references import without_references

MAX_CHARACTERS = 16_000
"""A message's end beyond this is left out: it is a changelog or a dump, and no one's request."""

_PASSES = 50


@dataclass(frozen=True)
class Cleaned:
    """A prompt and what was taken out of it, in the order it was found."""

    prompt: str
    removed: tuple[Removal, ...]


def _never(_: str) -> bool:
    return False


def clean(message: str, *, is_commit: Callable[[str], bool] = _never, solution: Collection[str] = ()) -> Cleaned:
    """Clean a message.

    `is_commit` tells whether a lower-case hexadecimal word is the id of a commit, or begins one; words that look like
    an id go without asking. `solution` holds the lines the change adds to the source, stripped: code blocks made of
    them are the answer.
    """
    text = message.replace("\r\n", "\n").replace("\r", "\n")
    removed: list[Removal] = []
    if len(text) > MAX_CHARACTERS:
        end = text.rfind("\n\n", MAX_CHARACTERS // 2, MAX_CHARACTERS)
        end = end if end > 0 else MAX_CHARACTERS
        removed.append(Removal(kind="template", text=text[end:].strip()))
        text = text[:end]

    def note(kind: Kind, found: str) -> None:
        if said := found.strip():
            removed.append(Removal(kind=kind, text=said))

    text = _tidy(text)
    for _ in range(_PASSES):
        before = text
        for form in FORMS:
            for found in form.pattern.finditer(text):
                note(form.kind, found.group())
            text = form.pattern.sub("", text)
        text = without_solution(text, solution, lambda found: note("code", found))
        text = without_references(text, note)
        text = without_hashes(text, is_commit, lambda found: note("hash", found))
        text = _tidy(text)
        if text == before:
            break
    return Cleaned(text, tuple(removed))


def _tidy(text: str) -> str:
    """Return text without trailing blanks, runs of empty lines, empty bullets, rules at the end, repeated titles."""
    lines = [line.rstrip() for line in text.split("\n")]
    text = "\n".join(line for line in lines if line.strip() not in ("-", "*", "+"))
    text = re.sub(r"\n{3,}", "\n\n", text)
    text = re.sub(r"(?:(?:\A|\n)\n*(?:-{3,}|\*{3,}|_{3,})[ \t]*)+\s*\Z", "", text)
    title, *paragraphs = text.strip().split("\n\n")
    return "\n\n".join([title, *(part for part in paragraphs if part.strip(" .") != title.strip(" ."))]).strip()
