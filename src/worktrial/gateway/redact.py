"""Keeping keys out of everything that leaves the gateway on the agent's side: answers, errors, records."""

from __future__ import annotations

import json
from collections.abc import Iterable

_MARK = b"[key]"
_SHORTEST = 8
"""Characters: anything shorter is a placeholder, and hiding it would garble ordinary words."""


class Redactor:
    """Replaces keys by a mark; also those written as JSON strings, where that differs."""

    def __init__(self, keys: Iterable[str]) -> None:
        forms = {form for key in keys if len(key) >= _SHORTEST for form in (key, json.dumps(key)[1:-1])}
        self._forms = tuple(form.encode() for form in sorted(forms, key=len, reverse=True))
        self._longest = max(map(len, self._forms), default=0)
        self._firsts = frozenset(form[:1] for form in self._forms)

    def clean(self, data: bytes) -> bytes:
        """Return `data` without keys."""
        for form in self._forms:
            if form in data:
                data = data.replace(form, _MARK)
        return data

    def text(self, text: str) -> str:
        """Return `text` without keys."""
        if not self._forms:
            return text
        return self.clean(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def stream(self) -> RedactedStream:
        """Return a filter for data that comes in pieces."""
        return RedactedStream(self)

    def beginning(self, data: bytes) -> int:
        """Return the length of the longest end of `data` that may be the beginning of a key."""
        start = max(0, len(data) - self._longest + 1)
        tail = data[start:]
        if not any(first in tail for first in self._firsts):
            return 0
        for at in range(len(tail)):
            if tail[at : at + 1] in self._firsts:
                rest = tail[at:]
                if any(form.startswith(rest) for form in self._forms):
                    return len(rest)
        return 0


class RedactedStream:
    """Lets data through without keys, also such as lie across two pieces: their beginning is held until it is known."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what may go on now."""
        data = self._redactor.clean(self._held + piece)
        held = self._redactor.beginning(data)
        self._held = data[len(data) - held :] if held else b""
        return data[: len(data) - held]

    def end(self) -> bytes:
        """Return what was held back and is no key after all."""
        held, self._held = self._held, b""
        return held
