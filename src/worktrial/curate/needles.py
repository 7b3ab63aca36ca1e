"""What to look for when a workspace is searched for answers: files, lines and functions that only the solution has."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace

from worktrial.curate.inside.pieces import line_piece, lines
from worktrial.store.git import Git

_LEAST_BITS = 75.0
"""Least information of a line that tells, bits: its length in characters times their entropy."""
_LEAST_WORDS = 3
_WORD = re.compile(rb"[^\W\d_]{3,}")
_GENERIC = re.compile(rb"(?:from|import|if|elif|else|for|try|except|def|class|return|raise|@|pytest)\b[\w\s.,:()]*")
"""Lines that anybody could have written: imports and bare control flow with nothing but names."""


_LEAST_PIECES = 3
"""Pieces of one changed file that a file of an environment may not hold, whatever else is in it."""
_LEAST_SHARE = 0.25
"""Least share of the pieces sought of a changed file that must be found for that."""
_LEAST_CONTEXT = 3
"""Pieces of a changed file as it was that make a file with one piece of the solution a copy of it."""


@dataclass
class Changed:
    """A file that hidden tests or solution change."""

    name: str
    """For people: path and whose it is."""
    sought: dict[str, str]
    """What only the changed file has, by piece (see `inside/pieces.py`), with what to call it when it is found."""
    context: set[str]
    """Pieces that the file had before."""


@dataclass(frozen=True)
class Needles:
    """What to look for."""

    files: dict[str, Changed]
    """Changed files by path."""
    blobs: dict[str, str]
    """Whole files, by the first sixteen digits of their git id."""
    bodies: set[str]
    """Functions, compiled. Only the environment's interpreter can tell: filled in when it has."""
    sources: tuple[tuple[str, str, str], ...]
    """Path, text before and text after of Python files: functions to look for in bytecode."""

    def forget(self, pieces: set[str]) -> None:
        """Stop looking for `pieces`: an agent has been given them."""
        for file in self.files.values():
            file.sought = {piece: what for piece, what in file.sought.items() if piece not in pieces}

    def sought(self) -> dict[str, str]:
        """Return every piece that must not be found, with what to call it."""
        return {**{piece: what for file in self.files.values() for piece, what in file.sought.items()}, **self.blobs}

    def context(self) -> set[str]:
        """Return every piece that tells whether a file is a copy of a changed one."""
        return set().union(*(file.context for file in self.files.values())) if self.files else set()

    def is_copy(self, pieces: set[str]) -> bool:
        """Tell a copy of what is sought from a file that has a line in common by chance.

        `pieces` are those of one file that nobody of this project need have written.
        """
        if pieces & self.blobs.keys() or pieces & self.bodies:
            return True
        for file in self.files.values():
            found = len(pieces & file.sought.keys())
            if found >= max(_LEAST_PIECES, _LEAST_SHARE * len(file.sought)):
                return True
            if found and len(pieces & file.context) >= _LEAST_CONTEXT:
                return True
        return False


def needles(git: Git, base: str, tests: str, solution: str) -> Needles:
    """Return what of hidden tests and solution is not in the base tree. Raises `GitError`."""
    before, between, after = git.tree_files(base), git.tree_files(tests), git.tree_files(solution)
    known = {oid for _, oid in before.values()}
    found = Needles({}, {}, set(), ())
    sources = []
    for path, (mode, oid) in after.items():
        if before.get(path, ("", ""))[1] == oid or mode == "160000":
            continue
        whose = "the hidden tests" if between.get(path, ("", ""))[1] == oid else "the solution"
        new = git.run("cat-file", "blob", oid)
        old = git.run("cat-file", "blob", before[path][1]) if path in before else b""
        if oid not in known and new.strip():
            found.blobs[oid[:16]] = f"{path} of {whose}"
        had = set(lines(old))
        added = {
            line_piece(line).hex(): _quoted(line, whose) for line in sorted(set(lines(new)) - had) if telling(line)
        }
        # Packages come without their tests: what looks like one there is another's that is tested likewise.
        own = b"" if whose == "the hidden tests" else _without_comments(old)
        context = {line_piece(line).hex() for line in lines(own) if telling(line)}
        found.files[path] = Changed(f"{path} of {whose}", added, context)
        if path.endswith(".py"):
            sources.append((path, old.decode("utf-8", "replace"), new.decode("utf-8", "replace")))
    return replace(found, sources=tuple(sources))


def _without_comments(text: bytes) -> bytes:
    """Return the lines that are not comments: licences stand in files of every kind."""
    return b"\n".join(line for line in text.split(b"\n") if not line.lstrip().startswith((b"#", b"//", b"*", b"/*")))


def _quoted(line: bytes, whose: str) -> str:
    return f"a line of {whose}: {line.decode('utf-8', 'replace')[:160]}"


def telling(line: bytes) -> bool:
    """Whether a line, as `lines` gives it, says enough that it is not found elsewhere by chance.

    It needs words, and information: characters times their entropy (Shannon 1948) of at least `_LEAST_BITS` bits.
    """
    if len(_WORD.findall(line)) < _LEAST_WORDS or _GENERIC.fullmatch(line):
        return False
    size = len(line)
    entropy = -sum(count / size * math.log2(count / size) for count in Counter(line).values())
    return size * entropy >= _LEAST_BITS
