"""The file tools of the basic agent. This file runs inside the sandbox, alone: standard library, Python 3.8 or newer.

One JSON object on standard input names the tool and its arguments; one JSON object goes to standard output, as the last
line: {"ok": true or false, "text": what the model is shown}.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Callable, Iterator  # noqa: UP035 - Python 3.8

MAX_CHARACTERS = 30_000
MAX_LINE = 2_000
MAX_ENTRIES = 1_000
MAX_MATCHES = 200
MAX_EDITED = 20 * 1024 * 1024
MAX_SEARCHED = 2 * 1024 * 1024
SKIPPED = {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".tox", ".mypy_cache", ".pytest_cache"}


class Wrong(Exception):  # noqa: N818 - it never leaves this file
    """A call that cannot be done; the model is told why."""


def read(path: str, offset: int = 1, limit: int = 2000) -> str:
    """Return lines of a file with their numbers, or the names in a folder."""
    if Path(path).is_dir():
        names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in Path(path).iterdir())
        return "\n".join([f"folder with {len(names)} entries:", *names[:MAX_ENTRIES]])
    shown: list[str] = []
    size = number = 0
    with checked(path).open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if number < offset:
                continue
            text = f"{number:6}\t{cut_line(line.rstrip(chr(10)))}"
            size += len(text) + 1
            if len(shown) >= limit or size > MAX_CHARACTERS:
                return "\n".join([*shown, f"[there is more: go on with offset {number}]"])
            shown.append(text)
    if not shown:
        return f"[the file ends at line {number}]" if number else "[the file is empty]"
    return "\n".join(shown)


def edit(path: str, old: str, new: str) -> str:
    """Replace the one place where `old` stands, or make a new file when `old` is empty."""
    if not old:
        return create(path, new)
    file = checked(path)
    if file.stat().st_size > MAX_EDITED:
        raise Wrong("the file is too large to edit this way; use shell")
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    if old not in text and "\r\n" in text:
        # What the model was shown had plain line ends.
        old, new = (re.sub("\r?\n", "\r\n", part) for part in (old, new))
    places = [match.start() for match in re.finditer(re.escape(old), text)]
    if not places:
        raise Wrong(f"`old` is not in {path}: it must match exactly, blanks and line ends included; read the file")
    lines = [text.count("\n", 0, place) + 1 for place in places]
    if len(places) > 1:
        raise Wrong(f"`old` is in {path} {len(places)} times, at lines {lines[:20]}: give more of the lines around it")
    if old == new:
        raise Wrong("`old` and `new` are the same: nothing to change")
    write(file, text[: places[0]] + new + text[places[0] + len(old) :])
    return f"edited {path} at line {lines[0]}"


def create(path: str, new: str) -> str:
    """Write a new file, or one that is still empty."""
    file = Path(path)
    if (file.exists() or file.is_symlink()) and (not file.is_file() or file.stat().st_size):
        raise Wrong(f"{path} is there already: give the text to replace as `old`")
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, new)
    return f"created {path}"


def write(file: Path, text: str) -> None:
    """Write a file as it is, without touching line ends."""
    file.write_bytes(text.encode("utf-8", "surrogateescape"))


def search(pattern: str, path: str = ".", glob: str = "*") -> str:
    """Return the lines that match a regular expression, as path:line:text."""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise Wrong(f"`pattern` is not a regular expression of Python: {error}") from None
    if not Path(path).exists():
        raise Wrong(f"there is no {path}")
    found: list[str] = []
    size = 0
    for file in files(Path(path), glob):
        for number, line in enumerate(lines_of(file), 1):
            if wanted.search(line):
                text = f"{file}:{number}:{cut_line(line)}"
                size += len(text) + 1
                if len(found) >= MAX_MATCHES or size > MAX_CHARACTERS:
                    return "\n".join([*found, "[there are more matches: narrow the search]"])
                found.append(text)
    return "\n".join(found) or "[no match]"


def files(path: Path, glob: str) -> Iterator[Path]:
    """Yield the files to search, in order of their names; links are not followed."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            file = Path(folder, name)
            below = str(file.relative_to(path))
            if (fnmatch.fnmatch(name, glob) or fnmatch.fnmatch(below, glob)) and not file.is_symlink():
                yield file


def lines_of(file: Path) -> list[str]:
    """Return the lines of a text file; none for what is binary, large, or cannot be read."""
    try:
        if not file.is_file() or file.stat().st_size > MAX_SEARCHED:
            return []
        data = file.read_bytes()
    except OSError:
        return []
    if b"\0" in data[:8192]:
        return []
    return re.split("\r\n|\r|\n", data.decode("utf-8", "replace"))


def checked(path: str) -> Path:
    """Return the path of a plain file: a device or a pipe would never end."""
    file = Path(path)
    if not file.exists():
        raise Wrong(f"there is no file {path}")
    if not file.is_file():
        raise Wrong(f"{path} is not a file")
    return file


def cut_line(line: str) -> str:
    """Return a line without what is beyond the limit."""
    return line if len(line) <= MAX_LINE else line[:MAX_LINE] + "[… line cut]"


def main() -> None:
    """Do what standard input asks for."""
    tools: dict[str, Callable[..., str]] = {"read": read, "edit": edit, "search": search}
    asked = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    answer: dict[str, Any]
    try:
        answer = {"ok": True, "text": tools[asked["tool"]](**asked["arguments"])}
    except Wrong as error:
        answer = {"ok": False, "text": f"error: {error}"}
    except (OSError, ValueError) as error:
        answer = {"ok": False, "text": f"error: {error}"}
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    main()
