"""What changes touched: paths and blobs of many commits, and then the lines of the few that matter.

One git process compares all commits, told on its standard input which; it is started again only behind a commit
whose objects are missing.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from worktrial.store.files import writing
from worktrial.store.git import Git, last_line

_DIFF_TREE = (
    "diff-tree", "--stdin", "-r", "--no-commit-id", "--full-index", "--abbrev=40", "--no-ext-diff", "--no-textconv",
    "--no-color",
)  # fmt: skip
_SUBMODULE = b"160000"
_NOTHING = "0" * 40
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Touched:
    """One file of a change, as `git diff-tree --raw` gives it. Undecodable bytes of a path are surrogates."""

    path: str
    old_path: str | None
    """The path before a rename; None when the file kept its name."""
    status: str
    old: str | None
    """Object id before; None when there was no file."""
    new: str | None
    """Object id after; None when the file was removed."""
    submodule: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """One file of a change with its lines."""

    touched: Touched
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
    binary: bool


@dataclass(frozen=True)
class Missing:
    """A change that could not be read: objects it needs are not in this clone, or are damaged."""

    cause: str


@dataclass(frozen=True)
class _Reading(Generic[Parsed]):
    """One way to compare commits: git's arguments, and what makes a result of one commit's output."""

    arguments: tuple[str, ...]
    parse: Callable[[list[bytes]], Parsed]


def touched_files(view: Git, pairs: Sequence[tuple[str, str]]) -> Iterator[list[Touched] | Missing]:
    """Yield, for each (commit, parent), the files that differ, a renamed one as removed and added. Reads no blob."""
    reading = _Reading(("--raw", "--no-renames"), lambda lines: [parse_raw(line) for line in lines if line[:1] == b":"])
    yield from _compare(view, pairs, reading)


def edits(view: Git, pairs: Sequence[tuple[str, str]]) -> Iterator[list[Edit] | Missing]:
    """Yield, for each (commit, parent), the files that differ with their lines, renames found."""
    yield from _compare(view, pairs, _Reading(("--raw", "-p", "-U0", "-M"), parse_edits))


def _compare(view: Git, pairs: Sequence[tuple[str, str]], reading: _Reading[Parsed]) -> Iterator[Parsed | Missing]:
    """Yield one result for each of `pairs`, starting git again behind each that it dies of."""
    done = 0
    while done < len(pairs):
        causes: list[str] = []
        for lines in _outputs(view, pairs[done:], reading.arguments, causes):
            yield reading.parse(lines)
            done += 1
        if done < len(pairs):
            yield Missing(causes[0])
            done += 1


def _outputs(
    view: Git, pairs: Sequence[tuple[str, str]], arguments: tuple[str, ...], causes: list[str]
) -> Iterator[list[bytes]]:
    """Yield git's lines for each pair in turn until it ends or dies, and put what it said last into `causes`."""
    with tempfile.TemporaryFile() as wanted:
        with writing(Path(tempfile.gettempdir())):
            # A line that names no object is echoed: that marks where a pair's output ends, even when it is empty.
            wanted.write("".join(f"{commit} {parent}\n=\n" for commit, parent in pairs).encode())
            wanted.seek(0)
        with view.popen(*_DIFF_TREE, *arguments, stdin=wanted.fileno()) as process:
            lines: list[bytes] = []
            for line in process.stdout or ():
                if line == b"=\n":
                    yield lines
                    lines = []
                else:
                    lines.append(line)
            causes.append(last_line(process.stderr.read() if process.stderr else b""))


def parse_raw(line: bytes) -> Touched:
    """Parse one line of `git diff-tree --raw`."""
    meta, *paths = line.rstrip(b"\n").split(b"\t")
    old_mode, new_mode, old, new, status = meta[1:].split(b" ")
    names = [_path(path) for path in paths]
    return Touched(
        path=names[-1],
        old_path=names[0] if len(names) > 1 else None,
        status=chr(status[0]),
        old=_id(old),
        new=_id(new),
        submodule=_SUBMODULE in (old_mode, new_mode),
    )


def parse_edits(lines: list[bytes]) -> list[Edit]:
    """Parse the output of `git diff-tree --raw -p -U0` for one pair of commits."""
    touched = [parse_raw(line) for line in lines if line[:1] == b":"]
    sections = _sections(lines)
    found = []
    for item in touched:
        # A change of type (file to link) is printed as a removal and an addition.
        own = [next(sections, []) for _ in range(2 if item.status == "T" else 1)]
        body = [line for section in own for line in section]
        found.append(_edit(item, body))
    return found


def _sections(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of each file's patch."""
    starts = [at for at, line in enumerate(lines) if line.startswith(b"diff --git ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start:end]


def _edit(touched: Touched, section: list[bytes]) -> Edit:
    """Return the lines a file's patch removes and adds."""
    removed, added = [], []
    binary = inside = False
    for line in section:
        first = line[:1]
        if first in (b"d", b"@"):
            inside = first == b"@"
        elif not inside:
            binary = binary or line.startswith((b"Binary files ", b"GIT binary patch"))
        elif first == b"-":
            removed.append(line[1:].rstrip(b"\r\n"))
        elif first == b"+":
            added.append(line[1:].rstrip(b"\r\n"))
    return Edit(touched, tuple(removed), tuple(added), binary)


def _id(oid: bytes) -> str | None:
    text = oid.decode("ascii")
    return None if text == _NOTHING else text


def _path(quoted: bytes) -> str:
    """Return a path as it is: git quotes those with control characters, quotes and backslashes."""
    if quoted[:1] == b'"' and quoted[-1:] == b'"':
        quoted = _ESCAPE.sub(_unescape, quoted[1:-1])
    return quoted.decode("utf-8", "surrogateescape")


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPES.get(code, code)


class Blobs:
    """The texts of blobs, read through one `git cat-file --batch` that starts with the first question."""

    def __init__(self, view: Git) -> None:
        self._view = view
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def text(self, oid: str | None) -> str | None:
        """Return a blob's text, undecodable bytes as U+FFFD; None when it is missing or `oid` is None."""
        if oid is None:
            return None
        if self._process is None:
            self._process = self._view.popen("cat-file", "--batch", stdin=subprocess.PIPE)
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:
            return None
        try:
            questions.write(oid.encode() + b"\n")
            questions.flush()
        except BrokenPipeError:
            return None  # git died of a damaged object: to us that is a missing one
        header = answers.readline().split()
        if len(header) != 3 or header[1] != b"blob":
            return None
        return answers.read(int(header[2]) + 1)[:-1].decode("utf-8", "replace")


def missing_objects(view: Git, oids: Iterable[str]) -> frozenset[str]:
    """Return those of `oids` that are not in this clone."""
    asked = "".join(f"{oid}\n" for oid in dict.fromkeys(oids)).encode()
    answers = view.run("cat-file", "--batch-check=%(objectname)", data=asked).decode("ascii").splitlines()
    return frozenset(line.split(" ")[0] for line in answers if line.endswith(" missing"))
