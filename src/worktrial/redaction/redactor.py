"""Redacting texts that belong together: the same value becomes the same placeholder, and what was done is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from worktrial.redaction.keys import KEYS, Form
from worktrial.redaction.people import HOMES, HOSTS, MAIL, KnownNames

Json = TypeVar("Json")

SECRETS = frozenset(form.kind for form in KEYS)
"""Kinds that open something. What else is found tells who someone is: `email`, `user`, `host`, `name`."""

_PART = r"[^\W\d_a-z](?:\.|[\w'\u2019-]{0,40})"
_NAMED_MAIL = re.compile(
    rf"(?<!\w)(?P<name>(?!(?i:by|from|to|cc|and|author|thanks)\b){_PART}"
    rf"(?:[ \t]+(?:(?:van|von|de|da|del|der|den|di|la|le|el|al|bin|ter|dos)[ \t]+){{0,2}}{_PART}){{1,3}})"
    r"(?=[ \t]+<\[email-\d+\]>)"
)
"""A name that stands before an address."""

_FORMS = (*KEYS, MAIL, *HOMES, *HOSTS)
_DIFF_LINE = re.compile(r"[ +\-]?")


@dataclass(frozen=True)
class Found:
    """How often one kind was replaced in one text."""

    where: str
    kind: str
    count: int


class Redactor:
    """Redacts the texts of one task or one trial.

    Placeholders are numbered within it, so that what a text becomes does not depend on other tasks, and that one
    person cannot be followed from one to another.
    """

    def __init__(self, known: KnownNames | None = None) -> None:
        self._known = known or KnownNames.none()
        self._numbers: dict[str, dict[str, int]] = {}
        self._found: Counter[tuple[str, str]] = Counter()

    def found(self) -> tuple[Found, ...]:
        """Return what was replaced so far, without its values, in the order it was first met."""
        return tuple(Found(where, kind, count) for (where, kind), count in self._found.items())

    def text(self, text: str, where: str) -> str:
        """Return `text` (prose, a log, a diff) without secrets and people. What is redacted stays so.

        Lines stay lines, and a diff's keep the sign that they begin with: it applies to what was redacted in the same
        way.
        """
        low = text.lower()
        for form in _FORMS:
            if form.hints and not any(hint in low for hint in form.hints):
                continue
            text = form.pattern.sub(lambda match, form=form: self._replace(form, match, where), text)  # type: ignore[misc]
        return _NAMED_MAIL.sub(lambda match: self._name(match, where), self._names(text, where))

    def data(self, data: bytes, where: str) -> bytes:
        """Return `data` as `text` does; bytes that are not UTF-8 stay as they are."""
        text = data.decode("utf-8", "surrogateescape")
        return self.text(text, where).encode("utf-8", "surrogateescape")

    def patch(self, patch: bytes, where: str) -> bytes:
        """Return a patch with what it adds redacted; what it takes away, or leaves, is the repository's own."""
        lines = patch.split(b"\n")
        added = [number for number, line in enumerate(lines) if line.startswith(b"+")]
        if not added:
            return patch
        # Without its sign, which may be part of an address.
        redacted = self.data(b"\n".join(lines[number][1:] for number in added), where).split(b"\n")
        for number, line in zip(added, redacted, strict=True):
            lines[number] = b"+" + line
        return b"\n".join(lines)

    def json(self, value: Json, where: str) -> Json:
        """Return a JSON value with all its strings redacted, those that are keys of objects excepted."""
        if isinstance(value, str):
            return self.text(value, where)  # type: ignore[return-value]
        if isinstance(value, Mapping):
            return {key: self.json(item, where) for key, item in value.items()}  # type: ignore[return-value]
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return type(value)(self.json(item, where) for item in value)  # type: ignore[call-arg]
        return value

    def _replace(self, form: Form, match: re.Match[str], where: str) -> str:
        groups = match.groupdict()
        group = next((name for name in ("value", "quoted") if groups.get(name) is not None), None)
        value = match[group] if group else match[0]
        if not form.counts(value):
            return match[0]
        put = self._placeholder(form.kind, value, where)
        if group:
            start, end = match.start(group) - match.start(), match.end(group) - match.start()
            return match[0][:start] + put + match[0][end:]
        first, *more = match[0].split("\n")
        return "\n".join([put, *(f"{_DIFF_LINE.match(line)[0]}{put}" for line in more)]) if first else put  # type: ignore[index]

    def _name(self, match: re.Match[str], where: str) -> str:
        words = match["name"].casefold().split()
        return self._placeholder("name", " ".join(sorted(words)), where)

    def _names(self, text: str, where: str) -> str:
        parts, last = [], 0
        for start, end, kind, value in self._known.find(text):
            lines = text.count("\n", start, end)
            # A name broken over two lines leaves them two.
            parts += [text[last:start], self._placeholder(kind, value, where), "\n" * lines]
            last = end
        return "".join([*parts, text[last:]])

    def _placeholder(self, kind: str, value: str, where: str) -> str:
        numbers = self._numbers.setdefault(kind, {})
        self._found[where, kind] += 1
        return f"[{kind}-{numbers.setdefault(value.casefold(), len(numbers) + 1)}]"
