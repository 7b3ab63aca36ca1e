"""Finding the packages of a workspace, their test files and the tests in them, before anything of it has run."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worktrial.languages.golang.syntax import test_functions
from worktrial.languages.protocol import TestPlan
from worktrial.sandboxes.protocol import Command, Mount, Workspace

_FIELDS = "Dir,ImportPath,Name,GoFiles,TestGoFiles,XTestGoFiles,Error"
_FIND = r"""
find . -name '[._]?*' -prune -o -name testdata -prune -o -name vendor -prune -o -name go.mod -type f -print > "$0"
"""
"""Folders that the go command passes over are passed over here."""
_COPY = 'cp --parents -L -- "$@" "$0"'
_LIST_TIMEOUT_S = 300.0
_AT_ONCE = 500
"""Files named on one command line."""


@dataclass(frozen=True)
class TestFile:
    """A test file as it is compiled."""

    __test__ = False

    path: str
    """In the tree."""
    package: str
    """Name of the package in its clause: an external one ends in `_test`."""
    text: str
    sha256: str
    tests: tuple[str, ...]
    """Names of its tests, fuzz tests and examples, in order."""


@dataclass(frozen=True)
class Package:
    """A package with tests."""

    module: str
    """Folder of its module in the tree, `.` for the root."""
    folder: str
    """Its own, in the tree."""
    import_path: str
    files: tuple[TestFile, ...]

    def binary(self) -> str:
        """Return the name that `go test -c` gives its binary (cmd/go: exeFromImportPath)."""
        parts = self.import_path.split("/")
        is_version = len(parts) > 1 and parts[-1][:1] == "v" and parts[-1][1:].isdigit()
        if is_version and parts[-1][1] != "0" and parts[-1] != "v1":
            parts.pop()
        return f"{parts[-1]}.test"


@dataclass(frozen=True)
class Shop:
    """Where commands run that no code of the repository takes part in, and a folder of the host's that they share."""

    workspace: Workspace
    env: Mapping[str, str]
    mounts: tuple[Mount, ...]
    folder: Path

    def command(self, argv: tuple[str, ...], timeout_s: float) -> Command:
        """Return a command that can write to the shared folder."""
        return Command(argv, timeout_s, env=self.env, mounts=(*self.mounts, Mount(self.folder, writable=True)))


@dataclass(frozen=True)
class Found:
    """What there is to run."""

    packages: tuple[Package, ...]
    unlisted: tuple[str, ...] = ()
    """Test files of the plan in folders where the go command sees no package."""
    said: str = ""
    """What the go command complained of."""


async def find(shop: Shop, plan: TestPlan) -> Found:
    """Return the packages that a plan concerns. Raises `SandboxError`."""
    modules = await _modules(shop)
    wanted = list(dict.fromkeys([*plan.files, *(test.split("::", 1)[0] for test in plan.ids)]))
    asked: dict[str, set[str]] = {}
    if plan.everything:
        asked = {module: {"./..."} for module in modules}
    else:
        for path in wanted:
            folder = posixpath.dirname(path) or "."
            module = nearest(folder, modules)
            relative = posixpath.relpath(folder, module)
            asked.setdefault(module, set()).add("./" + relative if relative != "." else ".")
    listed, said = await _listed(shop, asked)
    names = {
        posixpath.join(package["folder"], name): package
        for package in listed
        for name in (*package.get("TestGoFiles", ()), *package.get("XTestGoFiles", ()))
    }
    texts = await _read(shop, sorted({posixpath.normpath(path) for path in names}))
    packages = tuple(_package(package, texts) for package in listed)
    seen = {package["folder"] for package in listed}
    unlisted = [path for path in wanted if (posixpath.dirname(path) or ".") not in seen and not plan.everything]
    there = await _read(shop, unlisted)
    return Found(tuple(package for package in packages if package.files), tuple(sorted(there)), said)


def nearest(folder: str, modules: Collection[str]) -> str:
    """Return the folder of the module that `folder` belongs to; `.` where there is none."""
    while folder not in modules and folder not in (".", "", "/"):
        folder = posixpath.dirname(folder) or "."
    return folder if folder in modules else "."


async def _modules(shop: Shop) -> set[str]:
    target = shop.folder / "modules"
    await shop.workspace.run(shop.command(("/bin/sh", "-c", _FIND, str(target)), _LIST_TIMEOUT_S))
    text = target.read_text("utf-8", "surrogateescape") if target.is_file() else ""
    return {posixpath.dirname(posixpath.normpath(line)) or "." for line in text.split("\n") if line}


async def _listed(shop: Shop, asked: Mapping[str, Collection[str]]) -> tuple[list[dict[str, Any]], str]:
    """Return what the go command says of the packages asked for, by module; each also says its folder and module."""
    script, targets = [], []
    for number, (module, patterns) in enumerate(sorted(asked.items())):
        target = shop.folder / f"listed-{number}"
        targets.append((module, target))
        words = shlex.join(["go", "list", "-e", f"-json={_FIELDS}", *sorted(patterns)])
        script.append(f"(cd {shlex.quote('./' + module)} && {words} > {shlex.quote(str(target))})")
    if not script:
        return [], ""
    finished = await shop.workspace.run(shop.command(("/bin/sh", "-c", "\n".join(script)), _LIST_TIMEOUT_S))
    found = []
    for module, target in targets:
        text = target.read_text("utf-8", "surrogateescape") if target.is_file() else ""
        for package in _objects(text):
            if isinstance(package.get("Dir"), str):
                folder = os.path.relpath(package["Dir"], shop.workspace.root)
                found.append({**package, "folder": folder, "module": module})
    return found, finished.output.decode("utf-8", "replace")


def _objects(text: str) -> list[dict[str, Any]]:
    """Return JSON objects that stand one after the other; what comes after something else is left out."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            break
        if isinstance(value, dict):
            found.append(value)
    return found


async def _read(shop: Shop, paths: Collection[str]) -> dict[str, bytes]:
    """Return files of the workspace as they are; those that are not there are left out."""
    ordered = [path for path in paths if not path.startswith(("/", "../"))]
    target = shop.folder / "files"
    target.mkdir(exist_ok=True, mode=0o777)
    target.chmod(0o777)
    for at in range(0, len(ordered), _AT_ONCE):
        argv = ("/bin/sh", "-c", _COPY, str(target), *(f"./{path}" for path in ordered[at : at + _AT_ONCE]))
        await shop.workspace.run(shop.command(argv, _LIST_TIMEOUT_S))
    return {path: (target / path).read_bytes() for path in ordered if (target / path).is_file()}


def _package(listed: Mapping[str, Any], texts: Mapping[str, bytes]) -> Package:
    files = []
    for kind, suffix in (("TestGoFiles", ""), ("XTestGoFiles", "_test")):
        for name in listed.get(kind, ()):
            path = posixpath.normpath(posixpath.join(listed["folder"], name))
            if path in texts:
                text = texts[path].decode("utf-8", "surrogateescape")
                files.append(
                    TestFile(
                        path=path,
                        package=f"{listed.get('Name', '')}{suffix}",
                        text=text,
                        sha256=hashlib.sha256(texts[path]).hexdigest(),
                        tests=tuple(test_functions(text)),
                    )
                )
    return Package(listed["module"], listed["folder"], listed.get("ImportPath", ""), tuple(files))
