"""Hostile text made fit to show: no terminal codes, nothing invisible or reordering, and bounded in size."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import FormatError

_TERMINAL_CODE = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # window titles, links
    r"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"  # device control strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor
    r"|\x1b[ -/]*[0-~]?"
)
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
_VISIBLE: dict[int, str] = (
    {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
    | {0x7F: "\N{SYMBOL FOR DELETE}"}
    | dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}")
    # Reordering characters can make code read as what it is not (CVE-2021-42574): they are named instead.
    | {code: f"[U+{code:04X}]" for code in _BIDI}
)
_ODD = re.compile(f"[{''.join(re.escape(chr(code)) for code in _VISIBLE)}]")


@dataclass(frozen=True)
class Excerpt:
    """Text of which the middle may be missing."""

    head: str
    tail: str = ""
    cut: str = ""
    """How much is missing between `head` and `tail`, for people; empty when nothing is."""

    def __bool__(self) -> bool:
        return bool(self.head or self.tail)


def visible(text: str) -> str:
    """Return `text` with control, reordering and undecodable characters replaced by visible signs."""
    return text.translate(_VISIBLE) if _ODD.search(text) else text


def plain(text: str) -> str:
    """Return what `text` would leave on a terminal, more or less: no codes, lines that were overwritten left out."""
    if "\x1b" in text or "\x9b" in text:
        text = _TERMINAL_CODE.sub("", text)
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return visible(text)


def title_of(prompt: str, most: int) -> str:
    """Return the first line of a prompt that says anything, of at most `most` characters, for lists."""
    # A message made of points has no title: its first point stands for it.
    line = next((found for line in prompt.splitlines() if (found := line.strip("# \t").removeprefix("- "))), "")
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def shorten(text: str, limit: int) -> Excerpt:
    """Return `text` cleaned, its middle cut out when it is longer than `limit` characters."""
    if len(text) <= limit:
        return Excerpt(plain(text))
    half = limit // 2
    return Excerpt(plain(text[:half]), plain(text[-half:]), f"{len(text) - 2 * half:,} characters cut")


def read_excerpt(path: Path, *, head: int, tail: int) -> Excerpt | None:
    """Return the first `head` and last `tail` bytes of a file as text, or None when there is no such regular file.

    Raises `FormatError` when it cannot be read.
    """
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= head + tail:
                return Excerpt(plain(file.read().decode("utf-8", "replace")))
            first = file.read(head)
            file.seek(size - tail)
            last = file.read(tail)
    except OSError as error:
        raise FormatError(f"could not read {path}", cause=error.strerror or str(error)) from error
    cut = f"{_size(size - head - tail)} cut"
    return Excerpt(plain(first.decode("utf-8", "replace")), plain(last.decode("utf-8", "replace")), cut)


def _size(number: int) -> str:
    if number < 1024:
        return f"{number} bytes"
    return f"{number / 1024:,.0f} KiB" if number < 1024**2 else f"{number / 1024**2:,.1f} MiB"
