"""Reading patches: which lines of the new files a change touched."""

from __future__ import annotations

import re

_HUNK = re.compile(rb"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def changed_lines(patch: bytes) -> dict[str, set[int]]:
    """Return the lines a patch without context (`git diff -U0`) added or changed, by the file's new path, from 1.

    Where it only took lines out, the lines before and after the gap stand for them: that is where behaviour changed.
    """
    found: dict[str, set[int]] = {}
    lines: set[int] = set()
    left = [0, 0]
    for line in patch.split(b"\n"):  # and not at a lone carriage return, which is part of a line to git
        if left != [0, 0] and line[:1] in b"-+\\":
            # Within a hunk a line may look like a header: only its first character counts.
            side = {b"-": 0, b"+": 1}.get(line[:1])
            if side is not None:
                left[side] -= 1
        elif line.startswith(b"+++ "):
            path = _path(line[4:])
            lines = found.setdefault(path, set()) if path is not None else set()
        elif match := _HUNK.match(line):
            removed, start, added = int(match[1] or 1), int(match[2]), int(match[3] or 1)
            left = [removed, added]
            lines |= set(range(start, start + added)) if added else {max(1, start), start + 1}
    return found


def _path(name: bytes) -> str | None:
    """Return the path on a `+++` line; None for a deleted file."""
    if name.startswith(b'"'):
        quoted = name.rstrip()[1:-1]
        name = re.sub(rb"\\([0-7]{3}|.)", lambda match: _unescape(match[1]), quoted)
    else:
        name = name.split(b"\t")[0]
    return None if name == b"/dev/null" else name.removeprefix(b"b/").decode("utf-8", "surrogateescape")


def _unescape(code: bytes) -> bytes:
    if len(code) == 3:
        return bytes([int(code, 8)])
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}.get(code, code)
