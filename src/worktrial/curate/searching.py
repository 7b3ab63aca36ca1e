"""Asking a workspace what it holds: `inside/look.py` run in it as an agent would, and what it answers."""

from __future__ import annotations

import base64
import json
import sys
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worktrial.curate.needles import Needles
from worktrial.errors import InfrastructureError
from worktrial.formats.evidence import Leak
from worktrial.languages.protocol import BuiltEnvironment, Language
from worktrial.sandboxes.packages import installation
from worktrial.sandboxes.protocol import Command, Mount, Workspace
from worktrial.store.cache import building_slowly, cache_dir, digest
from worktrial.store.files import write_bytes, write_json

_LOOK = Path(__file__).parent / "inside" / "look.py"
_TIMEOUT_S = 600.0
_BOUNDS = {"file_bytes": 64 << 20, "unpacked_bytes": 2 << 30}
_PIECE = 8
"""Bytes of a piece."""


class Search:
    """Runs `inside/look.py` in a workspace."""

    def __init__(self, workspace: Workspace, language: Language, environment: BuiltEnvironment) -> None:
        self._workspace = workspace
        self._active = language.activation(environment, workspace)
        self._environment = environment.folder

    async def ask(self, mode: str, **question: Any) -> list[dict[str, Any]]:
        """Return the answer's records."""
        inside = _packages_beside(mount.path for mount in self._active.mounts if mount.path != self._environment)
        asked = {"mode": mode, "prefixes": inside, "bounds": _BOUNDS, "environment": [str(self._environment)]}
        find = 'exec "$(command -v python3 || command -v python || echo "$1")" -I -S -B "$0"'
        # An environment of another language has no Python of its own, and not every system has one.
        ours = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
        there = {mount.path for mount in self._active.mounts}
        shown = [mount for mount in installation(Path(sys.base_prefix)) if mount.path not in there]
        finished = await self._workspace.run(
            Command(
                ("/bin/sh", "-c", find, str(_LOOK), str(ours)),
                timeout_s=_TIMEOUT_S,
                env={key: value for key, value in self._active.env.items() if key != "PYTHONPATH"},
                stdin=json.dumps({**asked, **question}).encode(),
                mounts=(*self._active.mounts, *shown, Mount(_LOOK.parent)),
                report=True,
            )
        )
        records = [json.loads(line) for line in finished.report.splitlines()] if finished.exit_code == 0 else []
        if not records or not records[-1].get("done"):
            tail = finished.output.decode("utf-8", "replace").strip()[-300:]
            raise InfrastructureError(
                "the workspace could not be searched for answers", cause=tail or finished.ended.replace("_", " ")
            )
        return records


@dataclass(frozen=True)
class Hit:
    """A piece that was found, and where."""

    piece: str
    path: str
    inside: str
    """Member of an archive, `!` before it; empty for the file itself."""


def _packages_beside(mounts: Iterable[Path]) -> tuple[str, ...]:
    """Return where, beside the environment, an agent finds packages: the interpreter's prefix and the system's."""
    return (*map(str, mounts), "/usr", "/usr/local")


class Answer:
    """What a search told."""

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self._records = records
        hits = [(Hit(one["hit"], one["path"], one["inside"]), "beside" in one) for one in records if "hit" in one]
        self.hits = [hit for hit, beside in hits if not beside]
        self.beside = [hit for hit, beside in hits if beside]
        """Among packages that are not of the environment."""
        self.summary: dict[str, Any] = next((record for record in records if "counts" in record), {})

    @property
    def structure(self) -> list[Leak]:
        """What the repository has that a task's has not."""
        return [Leak(path=record["path"], what=record["finding"]) for record in self._records if "finding" in record]

    @property
    def programs(self) -> list[Leak]:
        """What was compiled from the repository itself, whatever state it was in."""
        carried = {record["path"]: record["mark"] for record in self._records if "mark" in record}
        return [
            Leak(path=path, what=f"compiled from the repository's {mark}") for path, mark in sorted(carried.items())
        ]

    def add_bodies(self, wanted: Needles) -> None:
        """Add the functions of the changed files, which only the environment's own interpreter can compile."""
        for record in self._records:
            if "bodies" in record:
                file = wanted.files[record["of"]]
                file.sought |= dict.fromkeys(record["bodies"], f"a function of {file.name}, compiled")
                file.context |= set(record["context"])
                wanted.bodies.update(record["bodies"])


@dataclass(frozen=True)
class Packages:
    """What an environment was found to hold: sorted pieces, and what was read for them."""

    pieces: bytes
    counts: dict[str, int]
    skipped: tuple[tuple[str, str], ...]

    def common(self, sought: Iterable[str]) -> set[str]:
        """Return those of `sought` that are among the pieces, by bisection."""
        places = range(len(self.pieces) // _PIECE)
        found = set()
        for piece in sought:
            wanted = bytes.fromhex(piece)
            place = bisect_left(places, wanted, key=self._at)
            if self._at(place) == wanted:
                found.add(piece)
        return found

    def _at(self, place: int) -> bytes:
        return self.pieces[place * _PIECE : (place + 1) * _PIECE]


async def read_packages(search: Search, method: str, listing: str) -> Packages:
    """Return what an environment holds, from the cache when one with the same files was read before."""
    folder = cache_dir() / "leaks" / digest(method, listing)
    async with building_slowly(folder) as part:
        if part is not None:
            records = await search.ask("index")
            summary = next(record for record in records if "counts" in record)
            pieces = b"".join(base64.b64decode(record["pieces"]) for record in records if "pieces" in record)
            write_bytes(part / "pieces", pieces)
            write_json(part / "read.json", {"counts": summary["counts"], "skipped": summary["skipped"]})
    read = json.loads((folder / "read.json").read_text("utf-8"))
    return Packages((folder / "pieces").read_bytes(), read["counts"], tuple(map(tuple, read["skipped"])))
