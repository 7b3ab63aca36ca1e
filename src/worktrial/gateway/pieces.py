"""Cutting a streamed answer into its JSON parts, whatever the pieces it comes in."""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST = 64 * 1024 * 1024


class Events:
    """The data of server-sent events (WHATWG HTML, 9.2.6): lines end in LF, CR LF or CR, an empty one ends an event.

    A carriage return at the end of a piece waits for the next: a line feed that follows belongs to it.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of every event that is whole now."""
        buffer = self._rest + piece
        held = b"\r" if buffer.endswith(b"\r") else b""
        lines = buffer[: len(buffer) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + held
        if len(self._rest) > _LONGEST:
            self._rest = b""
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                yield self._event()

    def end(self) -> Iterator[bytes]:
        """Yield the last event when no empty line came after it: some servers leave it out."""
        yield from self.feed(b"\n")
        if self._data:
            yield self._event()

    def _event(self) -> bytes:
        data, self._data = b"\n".join(self._data), []
        return data


class Elements:
    """The elements of a JSON array of objects, as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield every object that is whole now; what lies between them is skipped."""
        self._buffer += piece
        while self._at < len(self._buffer):
            byte = self._buffer[self._at]
            self._at += 1
            if self._in_string:
                self._step_in_string(byte)
            elif byte == 0x22:
                self._in_string = self._depth > 0
            elif byte == 0x7B:
                if self._depth == 0:
                    del self._buffer[: self._at - 1]
                    self._at = 1
                self._depth += 1
            elif byte == 0x7D and self._depth:
                self._depth -= 1
                if self._depth == 0:
                    whole = bytes(self._buffer[: self._at])
                    del self._buffer[: self._at]
                    self._at = 0
                    yield whole

    def end(self) -> Iterator[bytes]:
        """Yield nothing: what is not whole by now never will be."""
        return iter(())

    def _step_in_string(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
        elif byte == 0x5C:
            self._escaped = True
        elif byte == 0x22:
            self._in_string = False
