"""aider: `.aider.chat.history.md` in the repository's root, for people to read; appended to by every chat.

Seen: 0.86 by running it. aider trims what was typed at its end and writes each line as `#### line` with two spaces
behind it; those tell a prompt from a heading of the model's. Its times are of the machine's own zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import edits
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.places import Places
from worktrial.sessions.reading import Tally, as_time, lines, opened

_HISTORY = ".aider.chat.history.md"
_STARTED = "# aider chat started at "
_APPLIED = re.compile(r"(?:Applied edit to|Creating empty file|Created empty file) (.+)")
_COMMIT = re.compile(r"Commit ([0-9a-f]{7,40})(?: (.*))?")
_MODEL = re.compile(r"(?:Main model|Model|Architect model): (\S+)")
_EDITOR = re.compile(r"Editor model: (\S+)")
_VERSION = re.compile(r"Aider v(\S+)")
_TOKENS = re.compile(r"Tokens: ([\d.,]+[kM]?) sent,(?: .*?,)? ?([\d.,]+[kM]?) received")
_SKIPPED = re.compile(r"Skipping edits to (.+?)(?: that .*)?")
_RAN = re.compile(r"Running (.+)")
_FAILED = re.compile(r"block(?:s)? failed to match|did not conform|Failed to apply|malformed", re.IGNORECASE)
_RUNS = re.compile(r"(?:/run |!)(?P<line>.+)|/(?P<git>git .+)", re.DOTALL)
_ASKS = ("/code ", "/ask ", "/architect ")
_LONGEST_ANSWER = 4 * 1024 * 1024
"""Characters of one answer of the model that are kept to look for edits in."""
_BLOCK = re.compile(
    r"^(?P<path>[^\n]{1,400})\n(?P<fence>`{3,})[^\n]*\n(?P<body><{5,9} SEARCH>?\n.*?)^(?P=fence)\s*$",
    re.MULTILINE | re.DOTALL,
)
_CHANGE = re.compile(r"^<{5,9} SEARCH>?\n(?P<old>.*?)^={5,9}\s*\n(?P<new>.*?)^>{5,9} REPLACE", re.MULTILINE | re.DOTALL)
_WHOLE = re.compile(
    r"^(?P<path>[^\n`#>]{1,400})\n(?P<fence>`{3,})[^\n]*\n(?P<body>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL
)
_UDIFF = re.compile(r"^`{3,}diff\n(?P<body>.*?)^`{3,}\s*$", re.MULTILINE | re.DOTALL)
_UDIFF_PATH = re.compile(r"^\+\+\+ (?:b/)?([^\n\t]+)", re.MULTILINE)


class Aider:
    """The history in the repository's root, where aider puts it unless told otherwise."""

    name = "aider"
    title = "aider"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """In each of the repository's work trees."""
        for root in dict.fromkeys(Path(root).resolve() for root in Places.of(repository).roots):
            if (root / _HISTORY).is_file():
                yield root / _HISTORY

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """A session for each chat."""
        with opened(path) as file:
            yield from self.stream(file, path)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read a history that is open already."""
        tally = Tally()
        chat = _Chat(log, tally)
        for raw in lines(file, tally, blank=True):
            line = raw.decode("utf-8", "replace").removesuffix("\n")
            if line.startswith(_STARTED):
                yield from chat.end()
                tally = Tally()
                chat = _Chat(log, tally)
                chat.building.seen(as_time(line[len(_STARTED) :].strip()))
            else:
                chat.line(line)
        yield from chat.end()


class _Chat:
    def __init__(self, log: Path | str, tally: Tally) -> None:
        self.building = Building(Aider.name, log, tally)
        self.building.cwd = str(Path(log).parent) if isinstance(log, Path) else ""
        self._asked: list[str] = []
        self._answer: list[str] = []
        self._length = 0
        self._proposed: list[Edit] = []
        self._turns = 0
        self._run: Run | None = None
        """What the person runs from within aider, while what it prints is told."""
        self._printed: list[str] = []

    def line(self, line: str) -> None:
        if line.startswith("#### ") and line.endswith("  "):
            self._ran()
            if not self._asked:
                self._settle()
            self._asked.append(line[5:-2])
            return
        self._begin()
        if self._run is not None:
            self._printed.append(line.removeprefix("> ").removesuffix("  "))
        elif line.startswith("> "):
            self._did(line[2:].strip())
        elif self._length < _LONGEST_ANSWER:
            self._answer.append(line)
            self._length += len(line) + 1

    def end(self) -> Iterator[Session]:
        """Give what the chat was, if it was one."""
        self._begin()
        self._ran()
        self._settle()
        if session := self.building.session():
            yield session

    def _begin(self) -> None:
        if not self._asked:
            return
        text = "\n".join(self._asked)
        self._asked.clear()
        if text == "<blank>":
            return
        if found := _RUNS.fullmatch(text):
            self._run = self.building.command(found["git"] or found["line"])
            return
        self._turns += 1
        asked = next((text[len(word) :] for word in _ASKS if text.startswith(word)), None)
        kind = text.startswith(("/", "!")) and asked is None
        self.building.prompt(
            asked or text, self.building.started_at if self._turns == 1 else None, "command" if kind else "typed"
        )
        self.building.used_model(self.building.model)

    def _ran(self) -> None:
        if self._run is not None:
            self.building.printed(self._run, "\n".join(self._printed))
            self._run = None
            self._printed.clear()

    def _did(self, said: str) -> None:
        """What aider says itself."""
        building = self.building
        if found := _APPLIED.fullmatch(said):
            self._propose()
            self._applied(found[1])
        elif found := _SKIPPED.fullmatch(said):
            self._propose()
            for edit in self._proposed:
                if edit.path == building.relative(found[1]):
                    edit.outcome = "rejected"
        elif found := _COMMIT.fullmatch(said):
            self._propose()
            # Before it applies an edit, aider commits what the person had changed: that is no work of the chat.
            if not any(edit.outcome == "unknown" for edit in self._proposed):
                building.commit(found[1], "recorded", found[2] or "", None)
        elif found := _RAN.fullmatch(said):
            building.printed(building.command(found[1]), "")
        elif found := _TOKENS.search(said):
            usage = SessionUsage(input_tokens=_number(found[1]), output_tokens=_number(found[2]))
            building.used(f"#{len(self._proposed)} {building.tally.torn} {said} {self._turns}", usage)
        elif found := _VERSION.match(said):
            building.version = building.version or found[1]
        elif (found := _MODEL.match(said)) or (found := _EDITOR.match(said)):
            building.model = found[1]
        elif _FAILED.search(said):
            self._propose()
            for edit in self._proposed:
                edit.outcome = "failed" if edit.outcome == "unknown" else edit.outcome

    def _propose(self) -> None:
        """Take the edits out of what the model answered so far."""
        text = "\n".join(self._answer) + "\n"
        self._answer.clear()
        self._length = 0
        found = list(_BLOCK.finditer(text)) if "SEARCH" in text else []
        for block in found:
            path = block["path"].strip().strip("*`:# ")
            for change in _CHANGE.finditer(block["body"]):
                lines_ = edits.changed(change["old"], change["new"])
                self._proposed.append(self.building.edit(path, "replace" if change["old"] else "write", lines_, None))
        for block in _UDIFF.finditer(text) if not found else ():
            if path_line := _UDIFF_PATH.search(block["body"]):
                self._proposed.append(
                    self.building.edit(path_line[1].strip(), "patch", edits.of_diff(block["body"]), None)
                )
        if not found and not self._proposed:
            for block in _WHOLE.finditer(text):
                path = block["path"].strip().strip("*`:# ")
                if path and " " not in path:
                    self._proposed.append(self.building.edit(path, "write", (edits.split(block["body"]), ()), None))

    def _applied(self, path: str) -> None:
        known = [edit for edit in self._proposed if edit.path == self.building.relative(path)]
        for edit in known:
            edit.outcome = "accepted"
        if not known:
            made = self.building.edit(path, "patch", ((), ()), None)
            made.outcome = "accepted"
            self._proposed.append(made)

    def _settle(self) -> None:
        """At the end of a turn: what was proposed and of which nothing was said stays unknown."""
        if self._answer:
            self._propose()
        self._proposed.clear()


def _number(text: str) -> int | None:
    factor = {"k": 1_000, "M": 1_000_000}.get(text[-1], 1)
    try:
        return round(float(text.rstrip("kM").replace(",", "")) * factor)
    except ValueError:
        return None
