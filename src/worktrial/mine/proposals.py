"""The lines that a session proposed, to be looked up by those that landed.

Lines are compared without the blanks around them: formatters and rebases move those. Lines too plain to tell anything
(`}`, `else:`) count only within the file they were proposed for, and never as a sign that two changes are the same.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from worktrial.formats.session import FileEdit, Session
from worktrial.mine.changes import Edit

LEAST_LETTERS = 6
"""Letters and digits of a line that can be told from others."""
ALIKE = 0.7
"""Share of equal characters (`difflib`) from which a line counts as one that was changed, and not as another."""

_LETTERS = re.compile(r"[^\W_]")
_WORD = re.compile(r"\w+")
_SLACK = timedelta(minutes=2)
_MOST_COMPARED = 8
_LONGEST_COMPARED = 400


@dataclass(frozen=True, slots=True)
class Proposal:
    """One line an agent proposed. `path` is empty for one in a command, which may have gone to any file."""

    path: str
    turn: int
    model: str
    at: datetime | None
    changed: bool = False
    """A person wrote this line, changing what the agent had proposed, before it went to the disk."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that landed, blanks around it left out."""

    path: str
    text: str


def plain(line: str) -> str:
    """Return a line as it is compared."""
    return line.strip()


def tells(text: str) -> bool:
    """Tell whether a plain line can be told from others."""
    return len(_LETTERS.findall(text)) >= LEAST_LETTERS


def same_file(one: str, other: str) -> bool:
    """Tell whether two paths may name the same file, one of them maybe from deeper or from further out."""
    return one == other or one.endswith("/" + other) or other.endswith("/" + one)


def landed_lines(edits: Iterable[Edit]) -> list[Line]:
    """Return the added lines of a change that hold anything, in order."""
    return [
        Line(edit.touched.path, text)
        for edit in edits
        if not edit.binary and not edit.touched.submodule
        for raw in edit.added
        if (text := plain(raw.decode("utf-8", "replace")))
    ]


class Proposals:
    """What one session proposed, and was not rejected."""

    def __init__(self, session: Session) -> None:
        self._by_text: dict[str, list[Proposal]] = defaultdict(list)
        self._by_word: dict[str, dict[str, list[str]]] | None = None
        self._texts_of: dict[str, dict[str, None]] = defaultdict(dict)
        self.files: set[str] = set()
        """Names, without folders, of all files that were edited."""
        self._of: list[frozenset[str]] = []
        for number, turn in enumerate(session.turns):
            usual = turn.models[0] if turn.models else next(iter(session.models()), "")
            paths = set()
            for edit in turn.edits:
                if edit.outcome not in ("rejected", "failed"):
                    paths.add(edit.path)
                    for text, changed in _texts(edit):
                        self._add(text, Proposal(edit.path, number, edit.model or usual, edit.at or turn.at, changed))
            self._of.append(frozenset(paths))
            for command in turn.commands:
                if "\n" in command.text:
                    for text in filter(tells, map(plain, command.text.split("\n"))):
                        self._add(text, Proposal("", number, usual, command.at or turn.at))

    def __bool__(self) -> bool:
        return bool(self._by_text)

    def edited(self, turn: int) -> frozenset[str]:
        """Return the paths that a turn edited."""
        return self._of[turn]

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the file's name and the text of each proposed line that can be told from others."""
        for text, proposals in self._by_text.items():
            if tells(text):
                yield from ((name_of(path), text) for path in {item.path for item in proposals})

    def of(self, line: Line, before: datetime | None = None) -> Proposal | None:
        """Return the last proposal of a landed line that was made `before` (None: ever), or None."""
        found = None
        for item in self._by_text.get(line.text, ()):
            if _later(item, before):
                continue
            if item.path and not same_file(item.path, line.path) and not (tells(line.text) and _moved(item, line)):
                continue
            if found is None or item.turn >= found.turn:
                found = item
        return found

    def like(self, line: Line, besides: Collection[str] = (), before: datetime | None = None) -> Proposal | None:
        """Return a proposal for the same file that a landed line may have been made of by hand, or None.

        It was made `before` (None: ever). `besides` holds the proposed lines that landed as they were: nothing was
        made of those.
        """
        best, score = None, ALIKE
        for text in self._similar(line):
            if text in besides:
                continue
            matcher = SequenceMatcher(None, line.text, text, autojunk=False)
            if matcher.real_quick_ratio() >= score and (ratio := matcher.ratio()) >= score:
                best, score = text, ratio
        if best is None:
            return None
        return next((item for item in self._by_text[best] if item.path and same_file(item.path, line.path)
                     and not _later(item, before)), None)  # fmt: skip

    def _similar(self, line: Line) -> list[str]:
        """Return the few proposed lines of the same file that share the most words with a landed one."""
        if not tells(line.text) or len(line.text) > _LONGEST_COMPARED:
            return []
        if self._by_word is None:
            self._by_word = {name: _index(texts) for name, texts in self._texts_of.items()}
        index = self._by_word.get(name_of(line.path), {})
        shared: Counter[str] = Counter()
        for word in set(_WORD.findall(line.text)):
            of_word = index.get(word, ())
            if len(of_word) <= 200:  # words of every other line find nothing
                shared.update(of_word)
        return [text for text, _ in shared.most_common(_MOST_COMPARED)]

    def _add(self, text: str, proposal: Proposal) -> None:
        self._by_text[text].append(proposal)
        if proposal.path:
            self.files.add(name_of(proposal.path))
            if tells(text) and len(text) <= _LONGEST_COMPARED:
                self._texts_of[name_of(proposal.path)][text] = None


def name_of(path: str) -> str:
    """Return a path's last part; empty for none."""
    return PurePosixPath(path).name


def _texts(edit: FileEdit) -> Iterator[tuple[str, bool]]:
    """Yield the lines of an edit that hold anything, and whether a person wrote them over the agent's."""
    if edit.outcome == "changed" and edit.written is not None:
        proposed = Counter(map(plain, edit.added))
        for text in filter(None, map(plain, edit.written)):
            proposed[text] -= 1
            yield text, proposed[text] < 0
        return
    yield from ((text, False) for text in filter(None, map(plain, edit.added)))


def _index(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the lines by the words in them."""
    found: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for word in set(_WORD.findall(text)):
            found[word].append(text)
    return found


def _later(item: Proposal, before: datetime | None) -> bool:
    return before is not None and item.at is not None and item.at > before + _SLACK


def _moved(item: Proposal, line: Line) -> bool:
    """Tell whether a line may have been proposed for a file that was then moved: one of the same kind."""
    return PurePosixPath(item.path).suffix == PurePosixPath(line.path).suffix


@dataclass(frozen=True)
class Shared:
    """What a change and a session have in common."""

    lines: int
    """Landed lines that can be told from others and were proposed."""
    of: int
    """Landed lines that can be told from others."""
    turns: tuple[int, ...]
    """Turns whose lines landed, and were not proposed again later, in order."""

    @property
    def share(self) -> float:
        """Share of the landed lines, 0..1; 0 when none can be told from others."""
        return self.lines / self.of if self.of else 0.0


def shared(proposals: Proposals, lines: Sequence[Line], before: datetime | None) -> Shared:
    """Return what a session and the lines of a change have in common."""
    telling = [line for line in lines if tells(line.text)]
    found = [item for line in telling if (item := proposals.of(line, before)) is not None]
    return Shared(len(found), len(telling), tuple(sorted({item.turn for item in found})))
