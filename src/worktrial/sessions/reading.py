"""Reading logs line by line: no line too long, no value what it should be, no error that ends it."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from worktrial.errors import StorageError

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of a line that is still read; a longer one (a pasted film, say) is passed over and counted as torn."""
LONGEST_OUTPUT = 64 * 1024
"""Characters of what a command printed that are looked through for commits, at either end."""


@dataclass
class Tally:
    """What could not be read of a log."""

    torn: int = 0
    unknown: int = 0


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a log. Raises `StorageError`."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise StorageError(f"cannot read the log {path}", cause=error.strerror or str(error)) from error
    with file:
        yield file


def first_value(path: Path, most: int, *names: str, one_line: bool = False) -> str:
    """Return the first text that any of these JSON names has in the first `most` bytes of a log, or, with `one_line`,
    of its first line; empty when there is none, or the log cannot be read. Nothing else of it is looked at."""
    wanted = rb'"(?:%s)"\s*:\s*("(?:[^"\\]|\\.)*")' % "|".join(names).encode()
    try:
        with path.open("rb") as file:
            found = re.search(wanted, file.readline(most) if one_line else file.read(most))
    except OSError:
        return ""
    return as_text(parsed(b'{"it":%s}' % found[1], Tally()).get("it")) if found else ""


def lines(file: IO[bytes], tally: Tally, longest: int = LONGEST_LINE, *, blank: bool = False) -> Iterator[bytes]:
    """Yield the lines of a file, blank ones when asked for; those longer than `longest` are dropped and counted."""
    while line := _readline(file, tally, longest):
        if len(line) == longest and not line.endswith(b"\n"):
            tally.torn += 1
            while (rest := _readline(file, tally, longest)) and not rest.endswith(b"\n"):
                pass
        elif blank or not line.isspace():
            yield line


def _readline(file: IO[bytes], tally: Tally, longest: int) -> bytes:
    try:
        return file.readline(longest)
    except OSError:  # a disk that fails, or a file taken away: what was read so far is what there is
        tally.torn += 1
        return b""


def parsed(raw: bytes | str, tally: Tally) -> dict[str, Any]:
    """Return the JSON object that a line holds; an empty one, and one more torn, when it holds none."""
    try:
        value = json.loads(raw if isinstance(raw, str) else raw.decode("utf-8"))
    except (ValueError, RecursionError, MemoryError):
        tally.torn += 1
        return {}
    if not isinstance(value, dict):
        tally.torn += 1
        return {}
    return value


def cut(line: bytes) -> bool:
    """Whether a line that is not parsed is visibly no whole JSON object."""
    return not (line.startswith(b"{") and line.rstrip().endswith(b"}"))


def as_dict(value: object) -> dict[str, Any]:
    """Return a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a JSON list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a string as it is, and nothing for anything else; halves of characters are replaced."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def as_count(value: object) -> int | None:
    """Return a count of tokens, or None for what cannot be one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def as_time(value: object) -> datetime | None:
    """Return the moment of an ISO 8601 text or of a number of seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def joined(parts: object, key: str = "text") -> str:
    """Return the texts of a message's parts, or the message when it is a text itself."""
    if isinstance(parts, str):
        return as_text(parts)
    return "\n".join(text for part in as_list(parts) if (text := as_text(as_dict(part).get(key))))


def ends(text: str) -> str:
    """Return a long output without its middle: commits are told at one of its ends."""
    if len(text) <= 2 * LONGEST_OUTPUT:
        return text
    return text[:LONGEST_OUTPUT] + "\n" + text[-LONGEST_OUTPUT:]
