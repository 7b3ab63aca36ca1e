"""Commits in what commands printed."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MADE = re.compile(
    r"^\[(?P<where>[^\]\s][^\]\n]{0,250}?) (?P<sha>[0-9a-f]{7,40})\](?: (?P<subject>[^\n]*))?$",
    re.MULTILINE,
)
_LISTED = re.compile(r"^(?:commit )?(?P<sha>[0-9a-f]{7,40})(?: (?P<subject>[^\n]*))?$", re.MULTILINE)
_DECORATED = re.compile(r"^\([^)]*\) ")
_COMMITS = re.compile(
    r"\bgit\b[^\n;&|]*?\b(?:commit|merge|cherry-pick|revert|rebase|am|pull)\b(?!-)|\bgt (?:create|modify)|\bjj commit"
)
_COMMIT = re.compile(r"\bgit\b[^\n;&|]*?\bcommit\b(?!-)")
_LISTS = re.compile(r"\bgit\b[^\n;&|]*?\b(?:log|show|rev-parse|reflog)\b")
_RANGE = re.compile(r"\bgit\b[^\n;&|]*?\brev-parse\b[^\n;&|]*")
_NOTHING = re.compile(r"nothing to commit|nothing added to commit|no changes added|^fatal: |^error: ", re.MULTILINE)
_GIVEN = re.compile(r"(?:^|\s)(?:-[a-zA-Z]*m|--message)\b")


class Printed:
    """Follows the commands of a session: one that commits quietly is told of by the next that lists commits."""

    def __init__(self) -> None:
        self._awaited: str | None = None

    def wants(self, command: str) -> bool:
        """Whether the output of a command can tell of a commit."""
        return _COMMITS.search(command) is not None or (
            self._awaited is not None and _LISTS.search(command) is not None
        )

    def commits(self, command: str, output: str, failed: bool) -> Iterator[tuple[str, str]]:
        """Yield sha and subject of each commit that a command made, as far as outputs tell.

        `failed`: the command ended with another code than 0; it may have committed all the same before it did.
        """
        made = False
        if _COMMITS.search(command):
            for found in _MADE.finditer(output):
                made = True
                yield found["sha"], (found["subject"] or "").strip()
            if _COMMIT.search(command) and not made and not failed and not _NOTHING.search(output):
                self._awaited = command
        if made:
            self._awaited = None
        elif self._awaited is not None and _LISTS.search(command) and (listed := self._first(command, output)):
            self._awaited = None
            yield listed

    def _first(self, command: str, output: str) -> tuple[str, str] | None:
        """Return the newest commit listed, unless its subject shows that it is another than the awaited one."""
        found = _LISTED.search(output)
        if found is None:
            return None
        subject = _DECORATED.sub("", found["subject"] or "").strip()
        asked = self._awaited or ""
        if subject and _GIVEN.search(asked) and _RANGE.search(command) is None and subject not in asked:
            return None
        return found["sha"], subject
