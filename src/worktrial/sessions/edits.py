"""Edits as lines: what a replacement, a written file or a patch adds and takes away."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Lines = tuple[str, ...]
Kind = Literal["write", "replace", "patch", "delete", "move"]

_MOST_COMPARED = 1000
"""Lines that are compared in order; above that, only which lines are new counts: comparing takes quadratic time."""
_BEGIN, _ADD, _UPDATE, _DELETE, _MOVE = (
    "*** Begin Patch", "*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: ",
)  # fmt: skip


def split(text: str) -> Lines:
    r"""Return the lines of a text without their ends, "\n" or "\r\n" alone: a form feed is part of a line."""
    found = text.split("\n")
    if found and not found[-1]:
        found.pop()
    return tuple(line.removesuffix("\r") for line in found)


def changed(old: str, new: str) -> tuple[Lines, Lines]:
    """Return the lines that `new` adds to `old` and those it takes away, in order."""
    before, after = split(old), split(new)
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    before, after = before[start : len(before) - end], after[start : len(after) - end]
    if not before or not after:
        return after, before
    if len(before) + len(after) > _MOST_COMPARED:
        return _lacking(after, before), _lacking(before, after)
    added: list[str] = []
    removed: list[str] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            removed += before[i:j]
            added += after[k:m]
    return tuple(added), tuple(removed)


def _lacking(lines: Lines, known: Lines) -> Lines:
    """Return those of the lines that the known ones lack, each as often as it is lacking."""
    left = Counter(known)
    found = []
    for line in lines:
        if left[line] > 0:
            left[line] -= 1
        else:
            found.append(line)
    return tuple(found)


def of_diff(diff: str) -> tuple[Lines, Lines]:
    """Return the added and removed lines of a unified diff of one file, with or without its headers."""
    added: list[str] = []
    removed: list[str] = []
    # Only before the first hunk can `--- a` be a header; within one it is a line that begins so.
    within = "@@" not in diff
    for line in split(diff):
        if line.startswith("@@"):
            within = True
        elif line.startswith(("diff --git ", "Index: ")):
            within = False
        elif within and line.startswith("+"):
            added.append(line[1:])
        elif within and line.startswith("-"):
            removed.append(line[1:])
    return tuple(added), tuple(removed)


@dataclass
class FilePatch:
    """What a patch does to one file."""

    path: str
    kind: Kind
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def of_apply_patch(text: str) -> Iterator[FilePatch]:
    """Yield the files of a patch in the form that Codex's `apply_patch` takes; none when it is no such."""
    if _BEGIN not in text:
        return
    current: FilePatch | None = None
    for line in split(text[text.index(_BEGIN) :]):
        head = next((head for head in (_ADD, _UPDATE, _DELETE) if line.startswith(head)), None)
        if head or line.startswith("*** End Patch"):
            if current:
                yield current
            kinds: dict[str | None, Kind] = {_ADD: "write", _UPDATE: "patch", _DELETE: "delete"}
            current = FilePatch(line[len(head) :].strip(), kinds[head]) if head else None
            if not head:
                return
        elif current and line.startswith(_MOVE):
            yield FilePatch(current.path, "move")
            current.path = line[len(_MOVE) :].strip()
        elif current and line.startswith("+"):
            current.added.append(line[1:])
        elif current and line.startswith("-"):
            current.removed.append(line[1:])
    if current:
        yield current
