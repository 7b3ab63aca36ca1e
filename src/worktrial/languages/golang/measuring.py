"""Which tests run which lines: source files with a counter in every block, which each test finds at zero."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping

from worktrial.languages.golang.marking import edited, importing
from worktrial.languages.golang.packages import Shop
from worktrial.languages.golang.scan import ScanError, code
from worktrial.languages.golang.witness import Witness

_TIMEOUT_S = 120.0


async def counted(shop: Shop, paths: Collection[str], witness: Witness) -> dict[str, str]:
    """Return source files with counters in them, by path, in order: a file's place is its number to the witness.

    Files that are not there, or are no Go, are left out. Raises `SandboxError`.
    """
    wanted = [path for path in sorted(paths) if path.endswith(".go") and not path.endswith("_test.go")]
    if not wanted:
        return {}
    target = shop.folder / "counted"
    target.mkdir()
    target.chmod(0o777)
    script = []
    for number, path in enumerate(wanted):
        source, out = shlex.quote(str(shop.workspace.root / path)), shlex.quote(str(target / f"{number}.go"))
        script.append(f"go tool cover -mode=set -var={_variable(witness, number)} {source} > {out} || rm -f {out}")
    await shop.workspace.run(shop.command(("/bin/sh", "-c", "\n".join(script)), _TIMEOUT_S))
    found: dict[str, str] = {}
    for number, path in enumerate(wanted):
        out_path = target / f"{number}.go"
        text = out_path.read_text("utf-8", "surrogateescape") if out_path.is_file() else ""
        try:
            # Its number is its place among those that are left, its variable is not.
            found[path] = _registered(text, witness, _variable(witness, number), len(found))
        except ScanError:
            continue
    return found


def _variable(witness: Witness, number: int) -> str:
    return f"{witness.alias}c{number}"


def _registered(text: str, witness: Witness, variable: str, number: int) -> str:
    """Return a file with counters that hands them to the witness. Raises `ScanError`."""
    registering = f"\nfunc init() {{ {witness.alias}.Count({number}, {variable}.Count[:], {variable}.Pos[:]) }}\n"
    return edited(text, [importing(code(text), witness)]) + registering


def lines_run(
    blocks: Iterable[tuple[int, int, int]], paths: Collection[str], wanted: Mapping[str, Collection[int]]
) -> dict[str, tuple[int, ...]]:
    """Return the wanted lines in blocks of file, first and last line, by path; `paths` are the files in order."""
    names = list(paths)
    found: dict[str, set[int]] = {}
    for file, first, last in blocks:
        if file < len(names):
            path = names[file]
            found.setdefault(path, set()).update(line for line in wanted[path] if first <= line <= last)
    return {path: tuple(sorted(lines)) for path, lines in found.items() if lines}
