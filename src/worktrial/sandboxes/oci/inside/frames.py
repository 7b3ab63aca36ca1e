"""Frames: how the host and what runs in a container speak over its standard input and output.

A frame is a kind (one byte), a length (four bytes, big-endian) and so many bytes. Used on both sides: standard
library, Python 3.8 or newer.
"""

from __future__ import annotations

import struct
from typing import Iterator, List, Tuple  # noqa: UP035 - Python 3.8

HEADER = struct.Struct(">cI")
LARGEST = 1 << 28

SPEC = b"S"
"""To the container, first: what to do, as JSON."""
INPUT = b"i"
"""To the container: bytes for the command's standard input; none: there are no more."""
ASK = b"q"
"""To a holder: a request, as JSON; after it, for `write`, an INPUT frame."""

OUTPUT = b"o"
ERRORS = b"e"
REPORT = b"r"
"""From the container: what the command printed on either stream, and what it reported."""
STARTED = b"s"
"""From the container, once: the command runs, with everything mounted."""
END = b"x"
"""From the container, last: how the command ended, as JSON."""
ANSWER = b"a"
FAILURE = b"f"
"""From a holder: the answer to a request, or one line that says why there is none."""


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """Return one frame."""
    return HEADER.pack(kind, len(data)) + data


class Frames:
    """Cuts a stream into frames, whatever the pieces it comes in."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Tuple[bytes, bytes]]:  # noqa: UP006 - Python 3.8
        """Take more of the stream and yield the frames that are whole. Raises `ValueError` for what is none."""
        self._data += data
        whole: List[Tuple[bytes, bytes]] = []  # noqa: UP006 - Python 3.8
        while len(self._data) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._data)
            if length > LARGEST:
                raise ValueError("a frame that is too long")
            if len(self._data) < HEADER.size + length:
                break
            whole.append((kind, bytes(self._data[HEADER.size : HEADER.size + length])))
            del self._data[: HEADER.size + length]
        return iter(whole)
