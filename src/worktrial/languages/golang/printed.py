"""Reading what a test binary prints in its verbose form (`-test.v=test2json`), whoever else prints there too."""

from __future__ import annotations

import re
from collections.abc import Collection

_MARK = b"\x16"
"""What the runner puts before each of its own lines (cmd/internal/test2json)."""
_VERDICT = re.compile(rb"\x16--- (PASS|FAIL|SKIP): (\S+) \([0-9.]+s\)\r?\n")
_ABOUT = re.compile(rb"(?:=== (?:RUN|CONT|NAME|PAUSE) +|--- (?:PASS|FAIL|SKIP): )(\S*)")
_SILENT = re.compile(rb"(?:PASS|FAIL|=== \w+ .*|--- PASS: \S+/.*|exit status \d+)\s*")
"""A line of the runner's that nothing a test printed comes after, and that says nothing of a test as a whole."""


def verdicts(output: bytes) -> dict[str, set[str]]:
    """Return what was printed of each test and subtest: some of `PASS`, `FAIL`, `SKIP`; of an honest run just one."""
    found: dict[str, set[str]] = {}
    for match in _VERDICT.finditer(output):
        found.setdefault(match[2].decode("utf-8", "replace"), set()).add(match[1].decode())
    return found


def for_people(output: bytes, left_out: Collection[str]) -> str:
    """Return the output without the runner's marks and without what it says of the tests `left_out`."""
    kept: list[bytes] = []
    hidden = False
    first, *parts = output.split(_MARK)
    kept.append(first)
    for part in parts:
        if match := _ABOUT.match(part):
            name = match[1].decode("utf-8", "replace").split("/", 1)[0]
            hidden = name in left_out
        if not hidden and not _SILENT.fullmatch(part):
            kept.append(part)
    return b"".join(kept).decode("utf-8", "replace")
