"""SpecStory: `.specstory/history/*.md` in the repository, written for people by an extension of editors and CLIs.

After its documentation and source. Prompts, models and times are read; edits are shown there in too many ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from worktrial.formats.session import Session
from worktrial.sessions.building import Building
from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import Tally, as_time, lines, opened

_SPEAKER = re.compile(r"_\*\*(User|Assistant|Agent)(?: \((?P<what>[^)\n]*)\))?\*\*_\s*")
_SESSION = re.compile(r"<!-- (?P<tool>.{1,40}?) [Ss]ession (?P<id>[0-9A-Za-z_-]{6,80}) \((?P<at>[^)]*)\) -->")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")


class SpecStory:
    """The history in each of the repository's work trees."""

    name = "specstory"
    title = "SpecStory"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """All files of the history."""
        for root in dict.fromkeys(Path(root).resolve() for root in Places.of(repository).roots):
            yield from below(root / ".specstory/history", "*.md", "**/*.md")

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """A session for each that a file names, or one."""
        with opened(path) as file:
            yield from self.stream(file, path)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read a history that is open already."""
        tally = Tally()
        history = _History(Building(self.name, log, tally))
        for raw in lines(file, tally, blank=True):
            line = raw.decode("utf-8", "replace").removesuffix("\n")
            found = _SESSION.fullmatch(line.strip())
            if found and not history.asking:
                yield from history.end()
                history = _History(Building(self.name, log, Tally()))
                history.building.id = found["id"]
                history.building.seen(_moment(found["at"]))
            else:
                history.line(line)
        yield from history.end()


def _moment(text: str) -> datetime | None:
    found = _TIME.search(text)
    return as_time(found[0]) if found else None


class _History:
    def __init__(self, building: Building) -> None:
        self.building = building
        self.asking = False
        self._asked: list[str] = []
        self._at: datetime | None = None

    def line(self, line: str) -> None:
        if speaker := _SPEAKER.fullmatch(line):
            self._close()
            told = speaker["what"] or ""
            if speaker[1] == "User":
                self.asking, self._at = True, _moment(told)
            elif model := _TIME.sub("", told).strip(" ,;"):
                self.building.used_model(model.split()[-1] if " " in model else model)
        elif self.asking:
            self._asked.append(line)

    def end(self) -> Iterator[Session]:
        """Give what was read, if anything was asked."""
        self._close()
        if session := self.building.session():
            yield session

    def _close(self) -> None:
        """End a prompt: around it are empty lines, and behind it a rule."""
        if not self.asking:
            return
        asked = self._asked
        while asked and not asked[-1].strip():
            asked.pop()
        if asked and asked[-1].strip() == "---":
            asked.pop()
            if asked and not asked[-1].strip():
                asked.pop()
        if asked and not asked[0].strip():
            asked.pop(0)
        if any(line.strip() for line in asked):
            self.building.prompt("\n".join(asked), self._at)
        self._asked, self.asking = [], False
