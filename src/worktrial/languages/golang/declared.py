"""What a repository's module files declare: read, nothing is run."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from worktrial.languages.golang.toolchains import OLDEST, Version, parse_version
from worktrial.languages.protocol import ReadFile

_LINE = re.compile(r"^(module|go|toolchain)\s+(\S+)", re.MULTILINE)
_USE = re.compile(r"^use\s+(?:\(([^)]*)\)|(\S+))", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*")
_MOST_MODULES = 50
_SKIPPED = frozenset({"vendor", "testdata", "node_modules"})


@dataclass(frozen=True)
class Module:
    """One module of a repository."""

    folder: str
    """Relative to the repository's root; `.` is the root itself."""
    path: str
    """What it is imported by."""
    wants: Version
    """The oldest Go it says it can be built with."""


@dataclass(frozen=True)
class Declared:
    """The modules of a repository, and the files that say so."""

    modules: tuple[Module, ...]
    workspace: bool
    """Whether `go.work` at the root joins modules."""
    files: tuple[tuple[str, str], ...]
    """Path and text of every `go.mod`, `go.sum`, `go.work` and `go.work.sum` of theirs, sorted."""

    @property
    def wants(self) -> Version:
        """The oldest Go that can build all of them."""
        return max([OLDEST, *(module.wants for module in self.modules)])


def declared(read: ReadFile, tree: Path) -> Declared:
    """Return the modules of a repository that hold tests, its root's in any case. `tree` has the same files as `read`.

    None where it has no `go.mod`.
    """
    work = read("go.work")
    folders = dict.fromkeys(folder for folder in _module_folders(tree, work))
    modules, files = [], {}
    for folder in folders:
        name = posixpath.normpath(f"{folder}/go.mod")
        text = read(name)
        if text is None:
            continue
        modules.append(_module(folder, text))
        files[name] = text
        if (sums := read(sum_name := posixpath.normpath(f"{folder}/go.sum"))) is not None:
            files[sum_name] = sums
    if work is not None:
        files["go.work"] = work
        if (sums := read("go.work.sum")) is not None:
            files["go.work.sum"] = sums
        version = _words(work).get("go", "")
        modules.append(Module(".", "", parse_version(version) or OLDEST))
        modules[:] = [module for module in modules if module.path or module.wants > OLDEST]
    return Declared(tuple(modules), work is not None, tuple(sorted(files.items())))


def _module(folder: str, text: str) -> Module:
    words = _words(text)
    wants = parse_version(words.get("go", "")) or OLDEST
    return Module(folder, words.get("module", "").strip('"`'), wants)


def _words(text: str) -> dict[str, str]:
    """Return what the lines `module`, `go` and `toolchain` of a module file say."""
    return {match[1]: match[2] for match in _LINE.finditer(_COMMENT.sub("", text))}


def _module_folders(tree: Path, work: str | None) -> Iterator[str]:
    """Yield the folders of the modules that count: the root's, those that `go.work` joins, those with tests."""
    yield "."
    for match in _USE.finditer(_COMMENT.sub("", work or "")):
        for folder in (match[1] or match[2]).split():
            yield posixpath.normpath(folder.strip('"`'))
    found: list[str] = []
    tests: list[str] = []
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and name[0] not in "._")
        place = os.path.relpath(folder, tree)
        if "go.mod" in names and len(found) < _MOST_MODULES:
            found.append(place)
        if any(name.endswith("_test.go") for name in names):
            tests.append(place)
    yield from dict.fromkeys(module_of(place, found) for place in tests if module_of(place, found) in found)


def module_of(folder: str, modules: list[str]) -> str:
    """Return the folder of the module that a folder belongs to: the nearest above it, `.` where there is none."""
    while folder not in (".", "") and folder not in modules:
        folder = posixpath.dirname(folder) or "."
    return folder or "."


def marks(read: ReadFile, paths: Collection[str]) -> set[str]:
    """Return how the compiler names what is in the packages of the Go files among `paths`, up to the name itself."""
    found = set()
    for folder in {posixpath.dirname(path) or "." for path in paths if path.endswith(".go")}:
        module = folder
        while (text := read(posixpath.normpath(f"{module}/go.mod"))) is None and module != ".":
            module = posixpath.dirname(module) or "."
        if text is not None and (name := _module(module, text).path):
            below = posixpath.relpath(folder, module)
            found.add(_symbol_prefix(name if below == "." else f"{name}/{below}"))
    return found


def _symbol_prefix(package: str) -> str:
    """Return what stands before the names of a package in object files: dots in its last part are escaped there."""
    parent, slash, last = package.rpartition("/")
    return f"{parent}{slash}{last.replace('%', '%25').replace('.', '%2e')}."
