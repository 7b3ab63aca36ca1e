"""Meters that all protocols share: one for streams, one for whole answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worktrial.gateway.pieces import Elements, Events
from worktrial.gateway.reading import Reading, error_text, parse

_DONE = b"[DONE]"


class StreamMeter:
    """Gives every event of a stream to a function of the protocol, which notes in the reading what it says."""

    def __init__(self, note: Callable[[Reading, dict[str, Any]], None]) -> None:
        self.reading = Reading()
        self._note = note
        self._pieces: Events | Elements | None = None

    def feed(self, data: bytes) -> None:
        """Read the next bytes."""
        if self._pieces is None:
            start = data.lstrip()[:1]
            if not start:
                return
            # Gemini streams a JSON array unless it is asked for events; others answer a stream with a plain error.
            self._pieces = Elements() if start in (b"[", b"{") else Events()
        for part in self._pieces.feed(data):
            self._read(part)

    def finish(self) -> Reading:
        """Return what was read."""
        if self._pieces is not None:
            for part in self._pieces.end():
                self._read(part)
        return self.reading

    def _read(self, part: bytes) -> None:
        if part.strip() == _DONE:
            self.reading.complete = True
            return
        try:
            event = parse(part)
        except ValueError:
            self.reading.malformed = True
            return
        if isinstance(event, dict):
            self._note(self.reading, event)
        else:
            self.reading.malformed = True


class WholeMeter:
    """Collects an answer that comes in one, and gives it to a function of the protocol at its end."""

    def __init__(self, note: Callable[[Reading, dict[str, Any]], None]) -> None:
        self.reading = Reading()
        self._note = note
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Keep the next bytes."""
        self._data += data

    def finish(self) -> Reading:
        """Read the answer and return what it says."""
        try:
            body = parse(bytes(self._data))
        except ValueError:
            self.reading.malformed = True
            return self.reading
        if not isinstance(body, dict):
            self.reading.malformed = True
            return self.reading
        self._note(self.reading, body)
        if body.get("error"):
            self.reading.error = self.reading.error or error_text(body)
        return self.reading
