"""Compiling test binaries: a step that runs nothing of the repository, and whose results tests cannot write to."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worktrial.formats.evidence import Ended
from worktrial.languages.golang import marking, witness
from worktrial.languages.golang.canaries import Canary
from worktrial.languages.golang.packages import Package, Shop, TestFile
from worktrial.languages.golang.scan import ScanError
from worktrial.languages.golang.witness import Witness


@dataclass(frozen=True)
class Workbench:
    """What is compiled into every binary of a run."""

    shop: Shop
    witness: Witness
    canary: Canary
    root: Path
    """Of the toolchain, GOROOT."""
    numbers: Mapping[str, int]
    """What the witness calls each test, by id, the canaries' in every package among them."""
    counted: Mapping[str, str] = field(default_factory=dict)
    """Source files with counters in them, by path: which blocks each test runs is counted."""
    backwards: bool = False
    """Whether a package's tests stand in the opposite order."""
    telling: Mapping[str, str] = field(default_factory=dict)
    """Files of `testing`, by path, that have it tell of failures at once; empty: it does not."""


@dataclass(frozen=True)
class Compiled:
    """What compiling came to."""

    binaries: Mapping[str, Path]
    """On the host, by the package's folder; a package that does not compile has none."""
    ended: Ended
    output: str
    wall_s: float


def id_of(path: str, name: str) -> str:
    """Return the id of a test."""
    return f"{path}::{name}"


def canary_path(package: Package, canary: Canary) -> str:
    """Return where a package's canaries stand."""
    return posixpath.join(package.folder, canary.name)


async def compile_tests(bench: Workbench, packages: Sequence[Package], timeout_s: float) -> Compiled:
    """Return the test binaries of packages. Raises `SandboxError` when nothing could be started."""
    folder = bench.shop.folder
    overlay = _overlay(bench, packages)
    (folder / "overlay.json").write_text(json.dumps({"Replace": overlay}), "utf-8")
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "tmp").chmod(0o777)
    script: list[str] = []
    places: dict[str, Path] = {}
    for number, together in enumerate(_dealt(packages)):
        target = folder / f"binaries-{number}-{len(list(folder.iterdir()))}"
        target.mkdir()
        target.chmod(0o777)
        places |= {package.folder: target / package.binary() for package in together}
        words = ["go", "test", "-c", "-vet=off", "-ldflags=-w", "-overlay", str(folder / "overlay.json")]
        words += ["-o", f"{target}/", *(_pattern(package) for package in together)]
        script.append(f"(cd {shlex.quote('./' + together[0].module)} && {shlex.join(words)})")
    command = bench.shop.command(("/bin/sh", "-c", "\n".join(script)), timeout_s)
    finished = await bench.shop.workspace.run(command)
    return Compiled(
        binaries={name: path for name, path in places.items() if path.is_file()},
        ended=finished.ended,
        output=_in_tree(finished.output.decode("utf-8", "replace"), overlay, bench.shop.workspace.root),
        wall_s=finished.wall_s,
    )


def _in_tree(said: str, overlay: Mapping[str, str], root: Path) -> str:
    """Return what the compiler said with files named as they are in the tree."""
    for path, target in overlay.items():
        said = said.replace(target, path.removeprefix(f"{root}/"))
    return said


def _pattern(package: Package) -> str:
    relative = posixpath.relpath(package.folder, package.module)
    return "." if relative == "." else f"./{relative}"


def _dealt(packages: Sequence[Package]) -> list[list[Package]]:
    """Return the packages in groups of one module and of binaries that all have names of their own."""
    groups: list[list[Package]] = []
    for package in packages:
        for group in groups:
            if group[0].module == package.module and package.binary() not in [one.binary() for one in group]:
                group.append(package)
                break
        else:
            groups.append([package])
    return groups


def _overlay(bench: Workbench, packages: Sequence[Package]) -> dict[str, str]:
    """Write what takes the place of files, or comes to them, and return it by the path it is to have."""
    folder, inside = bench.shop.folder / "overlay", bench.shop.workspace.root
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    found: dict[str, str] = {}

    def put(path: str, text: str) -> None:
        target = folder / f"{len(list(folder.iterdir()))}.go"
        target.write_bytes(text.encode("utf-8", "surrogateescape"))
        found[path] = str(target)

    put(str(bench.root / "src" / bench.witness.package / "witness.go"), witness.SOURCE.read_text("utf-8"))
    for path, text in bench.telling.items():
        put(path, text)
    for package in packages:
        for path, text in _files(bench, package).items():
            put(str(inside / path), text)
    for path, text in bench.counted.items():
        put(str(inside / path), text)
    return found


def _files(bench: Workbench, package: Package) -> dict[str, str]:
    """Return the test files of a package as they are compiled, those beside them that we add among them."""
    canary = TestFile(
        path=canary_path(package, bench.canary),
        package=package.files[0].package,
        text=bench.canary.text(package.files[0].package),
        sha256="",
        tests=bench.canary.tests,
    )
    found: dict[str, str] = {}
    for name in dict.fromkeys(file.package for file in package.files):
        files = [file for file in (*package.files, canary) if file.package == name]
        renamed: dict[str, str] = {}
        if bench.backwards:
            renamed, calls = _reversed(bench, files)
            if calls:
                added = f"{bench.canary.name.removesuffix('_test.go')}_{len(found)}_test.go"
                found[posixpath.join(package.folder, added)] = f"package {name}{calls}"
        for file in files:
            found[file.path] = _marked(bench, file, renamed)
    return found


def _reversed(bench: Workbench, files: Sequence[TestFile]) -> tuple[dict[str, str], str]:
    try:
        return marking.reversing({file.path: file.text for file in files}, bench.witness)
    except ScanError:
        return {}, ""


def _marked(bench: Workbench, file: TestFile, renamed: Mapping[str, str]) -> str:
    numbers = {name: bench.numbers[id_of(file.path, name)] for name in file.tests}
    one_by_one = bool(bench.counted)
    try:
        return marking.mark(file.text, bench.witness, numbers, one_by_one=one_by_one, renamed=renamed)
    except ScanError:
        return file.text  # the compiler will say what is wrong with it
