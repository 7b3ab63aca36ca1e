"""Bodies of requests and answers, kept once each by their hash, compressed, and as what differs from the one before.

An agent sends its whole conversation with every request, so each body is mostly that of the request before. Of a body
that begins and ends like its *base*, only the middle is stored. A file `gateway.bodies` is a sequence of entries: a
line of JSON (sha256, bytes, base, prefix, suffix, stored) and then `stored` bytes of zlib data and a line end.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic_core import from_json, to_json

from worktrial.errors import FormatError
from worktrial.store.files import writing

_LEVEL = 1
_WORTH_A_BASE = 1024
"""Bytes that must be saved for a body to depend on another."""


class _Base(NamedTuple):
    sha256: str
    data: bytes


class BodyStore:
    """Appends to one file of bodies. Whole entries survive a kill; a torn one at the end is not read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: set[str] = set()
        self._bases: dict[str, _Base] = {}
        self._handle: int | None = None

    def add(self, data: bytes, kind: str = "") -> str:
        """Store a body unless it is there already, and return its hash. Raises `StorageError`.

        Bodies of one `kind` are likely to resemble each other; those without are stored whole.
        """
        digest = hashlib.sha256(data).hexdigest()
        if digest in self._known:
            return digest
        base = self._bases.get(kind) if kind else None
        prefix, suffix = _shared(base.data, data) if base is not None else (0, 0)
        if base is None or prefix + suffix < _WORTH_A_BASE:
            base, prefix, suffix = None, 0, 0
        stored = zlib.compress(data[prefix : len(data) - suffix], _LEVEL)
        head = {"sha256": digest, "bytes": len(data), "stored": len(stored)}
        if base is not None:
            head |= {"base": base.sha256, "prefix": prefix, "suffix": suffix}
        self._write(to_json(head) + b"\n" + stored + b"\n")
        self._known.add(digest)
        if kind:
            self._bases[kind] = _Base(digest, data)
        return digest

    def close(self) -> None:
        """Close the file and forget what was in it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._bases.clear()
        self._known.clear()

    def _write(self, entry: bytes) -> None:
        with writing(self.path):
            if self._handle is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                whole = _whole_bytes(self.path)
                if whole != os.fstat(self._handle).st_size:
                    os.ftruncate(self._handle, whole)
            rest = memoryview(entry)
            while rest:
                rest = rest[os.write(self._handle, rest) :]


def read_bodies(path: Path) -> dict[str, bytes]:
    """Return all bodies of a file by hash; empty when there is none. Raises `FormatError` for what is corrupt."""
    if not path.exists():
        return {}
    bodies: dict[str, bytes] = {}
    for head, stored, _ in _entries(path.read_bytes(), path):
        try:
            middle = zlib.decompress(stored)
            base = bodies[str(head["base"])] if "base" in head else b""
            prefix, suffix = int(str(head.get("prefix", 0))), int(str(head.get("suffix", 0)))
        except (zlib.error, KeyError) as error:
            raise FormatError(f"{path} is damaged", cause=f"body {head.get('sha256')}: {error!r}") from error
        data = base[:prefix] + middle + (base[len(base) - suffix :] if suffix else b"")
        if hashlib.sha256(data).hexdigest() != head["sha256"]:
            raise FormatError(f"{path} is damaged", cause=f"body {head['sha256']} has another hash")
        bodies[str(head["sha256"])] = data
    return bodies


def _whole_bytes(path: Path) -> int:
    """Return where the last whole entry of a file ends."""
    end = 0
    for _, _, entry_end in _entries(path.read_bytes(), path):
        end = entry_end
    return end


def _entries(data: bytes, path: Path) -> Iterator[tuple[dict[str, object], bytes, int]]:
    """Yield head, stored bytes and end of every whole entry."""
    at = 0
    while (line_end := data.find(b"\n", at)) >= 0:
        try:
            head = from_json(data[at:line_end])
            size = int(head["stored"])
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path} is damaged", cause=f"at byte {at}: {error}") from error
        at = line_end + 1 + size + 1
        if at > len(data):
            return
        yield head, data[line_end + 1 : at - 1], at


def _shared(old: bytes, new: bytes) -> tuple[int, int]:
    """Return the lengths of the beginning and the end that two byte strings share; the two never overlap."""
    most = min(len(old), len(new))
    prefix = _common(lambda n: old[:n] == new[:n], most)
    rest = most - prefix
    suffix = _common(lambda n: n == 0 or old[-n:] == new[-n:], rest)
    return prefix, suffix


def _common(same: Callable[[int], bool], most: int) -> int:
    """Return the largest n up to `most` for which `same(n)` holds, by bisection: it holds for all below it."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if same(middle):
            low = middle
        else:
            high = middle - 1
    return low
