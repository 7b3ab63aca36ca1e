"""Patches taken apart file by file. They are hostile input: whatever they hold, parsing never fails or runs away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from worktrial.pages.text import visible

MAX_BYTES = 2 * 1024**2
"""Bytes of a patch that are read for a page."""
MAX_LINES = 1500
"""Lines shown of one file; the rest is counted."""
MAX_PATCH_LINES = 5000
"""Lines shown of a whole patch."""
MAX_COLUMNS = 1000
"""Characters shown of one line."""

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


class Line(NamedTuple):
    """One line of a hunk; `kind` is `@` for the hunk's own heading."""

    kind: Literal["+", "-", " ", "@", "\\"]
    old: int | None
    new: int | None
    text: str


@dataclass
class FileDiff:
    """What a patch does to one file."""

    path: str
    old_path: str | None = None
    """The path before a rename or copy."""
    change: Literal["changed", "added", "deleted", "renamed", "copied"] = "changed"
    mode: str = ""
    """A change of permissions or kind, as `100644 to 100755`; empty when there is none."""
    binary: bool = False
    lines: list[Line] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    cut: int = 0
    """Lines left out of `lines` for their number."""


def fit(patch: bytes, size: int) -> tuple[bytes, str]:
    """Return what is read of a patch of `size` bytes, whole lines of it, and what to say of the rest; empty: no rest.

    Of a large one `patch` need not be more than its first `MAX_BYTES`.
    """
    if size <= MAX_BYTES:
        return patch, ""
    shown = patch[:MAX_BYTES]
    said = f"Cut: the patch has {size / 1024**2:,.1f} MiB, of which the first {MAX_BYTES // 1024**2} are shown."
    return shown[: shown.rfind(b"\n") + 1], said


def parse(patch: bytes) -> list[FileDiff]:
    """Return the files of a git patch in its order; what is no patch gives no file."""
    files: list[FileDiff] = []
    shown = 0
    # Cleaned in one go: asking for every line is a good part of the time a report takes.
    lines = visible(patch.decode("utf-8", "replace")).split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("diff --git "):
            files.append(FileDiff(_header_path(line[11:])))
        elif files and (hunk := _HUNK.fullmatch(line)):
            room = min(MAX_LINES - len(files[-1].lines), MAX_PATCH_LINES - shown)
            before = len(files[-1].lines)
            at = _read_hunk(files[-1], hunk, lines, at, room)
            shown += len(files[-1].lines) - before
        elif files:
            _read_header(files[-1], line)
    return files


def _read_hunk(file: FileDiff, hunk: re.Match[str], lines: list[str], at: int, room: int) -> int:
    """Add a hunk to `file`, at most `room` lines of it, and return the number of the line after it."""
    old, new = int(hunk[1]), int(hunk[3])
    old_end = old + int(hunk[2] or 1)
    new_end = new + int(hunk[4] or 1)
    found = [Line("@", None, None, hunk[0])]
    # Counted, not guessed by prefix: a removed line `-- x` looks like a file header.
    while at < len(lines) and (old < old_end or new < new_end or lines[at].startswith("\\")):
        text = lines[at]
        sign = text[:1]
        if sign == "+":
            found.append(Line("+", None, new, text[1:]))
            new, file.added = new + 1, file.added + 1
        elif sign == "-":
            found.append(Line("-", old, None, text[1:]))
            old, file.removed = old + 1, file.removed + 1
        elif sign in (" ", "") and not (sign == "" and at == len(lines) - 1):
            found.append(Line(" ", old, new, text[1:]))
            old, new = old + 1, new + 1
        elif sign == "\\":
            found.append(Line("\\", None, None, text[1:].strip()))
        else:
            break
        at += 1
    kept = found[: max(0, room)]
    file.lines += [line if len(line.text) <= MAX_COLUMNS else line._replace(text=_bounded(line.text)) for line in kept]
    file.cut += len(found) - len(kept)
    return at


def _read_header(file: FileDiff, line: str) -> None:
    """Take in one line of the extended header."""
    word, _, rest = line.partition(" ")
    if line.startswith(("rename from ", "copy from ")):
        file.old_path = _path(line.partition(" from ")[2])
        file.change = "renamed" if word == "rename" else "copied"
    elif line.startswith(("rename to ", "copy to ")):
        file.path = _path(line.partition(" to ")[2])
    elif line.startswith("new file mode "):
        file.change = "added"
        # Links and programs are worth a word, plain files are not.
        file.mode = "" if line.endswith("100644") else rest.removeprefix("file mode ")
    elif line.startswith("deleted file mode "):
        file.change = "deleted"
    elif line.startswith("old mode "):
        file.mode = rest.removeprefix("mode ")
    elif line.startswith("new mode "):
        file.mode = f"{file.mode} to {rest.removeprefix('mode ')}"
    elif line == "GIT binary patch" or (line.startswith("Binary files ") and line.endswith(" differ")):
        file.binary = True
    elif (word == "+++" or (word == "---" and not file.path)) and rest != "/dev/null":
        file.path = _strip_side(_path(rest.rstrip("\t")))


def _header_path(rest: str) -> str:
    """Return the new path of a `diff --git a/X b/Y` line: exact when both are equal, which is all it is needed for."""
    if quoted := list(_QUOTED.finditer(rest)):
        return _strip_side(_path(quoted[-1][0]))
    half = (len(rest) - 1) // 2
    if rest[2:half] == rest[half + 3 :]:
        return rest[2:half]
    return rest.rpartition(" b/")[2]


def _path(text: str) -> str:
    """Return a path as git prints it, unquoted."""
    if not (match := _QUOTED.fullmatch(text)):
        return text
    raw = _ESCAPE.sub(_unescape, match[1].encode("utf-8", "surrogateescape"))
    return visible(raw.decode("utf-8", "replace")).replace("\n", "\N{SYMBOL FOR NEWLINE}")


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code, 8) & 255]) if len(code) == 3 else _ESCAPES.get(code, code)


def _strip_side(path: str) -> str:
    return path[2:] if path[:2] in ("a/", "b/") else path


def _bounded(text: str) -> str:
    return f"{text[:MAX_COLUMNS]} [{len(text) - MAX_COLUMNS:,} characters cut]"


def sides(own: list[FileDiff], landed: list[FileDiff]) -> Iterator[tuple[FileDiff | None, FileDiff | None]]:
    """Pair the files of two patches by path: those of the landed one first, then those only the agent touched."""
    mine = {file.path: file for file in own}
    for file in landed:
        yield mine.pop(file.path, None), file
    for file in mine.values():
        yield file, None
