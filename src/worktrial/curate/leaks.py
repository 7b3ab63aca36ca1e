"""The proof that a workspace holds no answer: its task's files, lines and functions, looked for as an agent could."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from worktrial.curate.needles import Needles, needles
from worktrial.errors import InfrastructureError
from worktrial.formats.base import now
from worktrial.formats.evidence import Leak, LeakProof
from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Task
from worktrial.languages.protocol import BuiltEnvironment, Language
from worktrial.sandboxes.layers import repository_layer, tree_layer
from worktrial.sandboxes.packages import installation
from worktrial.sandboxes.protocol import Command, Mount, Sandbox, Workspace
from worktrial.store.cache import building_slowly, cache_dir, digest
from worktrial.store.files import write_bytes, write_json
from worktrial.store.git import Git

METHOD = "4"
"""Raised when the search itself changes: proofs by another one are made again."""
_LOOK = Path(__file__).parent / "inside" / "look.py"
_LIMITS = TrialLimits(memory_mib=4096)
_TIMEOUT_S = 600.0
_BOUNDS = {"file_bytes": 64 << 20, "unpacked_bytes": 2 << 30}
_MOST_FINDINGS = 20
_PIECE = 8
"""Bytes of a piece."""


@dataclass(frozen=True)
class Secret:
    """What must not be found, and where an agent starts."""

    base_tree: str
    tests_tree: str
    solution_tree: str


@dataclass(frozen=True)
class _Packages:
    """What an environment was found to hold: sorted pieces, and what was read for them."""

    pieces: bytes
    counts: dict[str, int]
    skipped: tuple[tuple[str, str], ...]


async def prove_no_leaks(
    git: Git, sandbox: Sandbox, language: Language, environment: BuiltEnvironment, secret: Secret
) -> LeakProof:
    """Search a workspace, opened as for an agent, and return what was looked at and what was found.

    Raises `SandboxError`, and `InfrastructureError` when the search did not come to its end.
    """
    started = time.monotonic()
    wanted = await asyncio.to_thread(needles, git, secret.base_tree, secret.tests_tree, secret.solution_tree)
    layer = await asyncio.to_thread(tree_layer, git, secret.base_tree)
    repository = await asyncio.to_thread(repository_layer, git, layer, environment.additions)
    workspace = await sandbox.open((repository, environment.additions, layer.files), _LIMITS)
    try:
        search = _Search(workspace, language, environment)
        asked = wanted.sought()
        question = {"tree": secret.base_tree, "sources": wanted.sources, "changed": sorted(wanted.files)}
        near = _Answer(await search.ask("near", pieces=list(asked), context=sorted(wanted.context()), **question))
        # What a file of the base says already is no secret.
        tracked = await asyncio.to_thread(git.tree_files, secret.base_tree)
        wanted.forget({hit.piece for hit in near.hits if hit.path in tracked and not hit.inside})
        near.add_bodies(wanted)
        sought = wanted.sought()
        packages = await _packages(search, near.summary["listing"])
        common = _common({*sought, *wanted.context()}, packages.pieces)
        # Most environments have not enough in all their files together: no need to ask which.
        far = _Answer(await search.ask("far", pieces=sorted(common)) if wanted.is_copy(common) else [])
        marks = await asyncio.to_thread(_marks, git, language, secret, [*wanted.files])
        compiled = _Answer(await search.ask("programs", marks=marks) if marks else [])
    finally:
        await workspace.close()
    findings = [*near.structure, *compiled.programs, *_findings(near.hits, sought, bool)]
    findings += _findings([*near.beside, *far.hits], sought, wanted.is_copy)
    if len(findings) > _MOST_FINDINGS:
        findings[_MOST_FINDINGS:] = [Leak(path="…", what=f"{len(findings) - _MOST_FINDINGS} more")]
    return LeakProof(
        base_tree=secret.base_tree,
        tests_tree=secret.tests_tree,
        solution_tree=secret.solution_tree,
        environment=environment.key,
        method=METHOD,
        sandbox=workspace.tier,
        sought={
            "blobs": len(wanted.blobs),
            "lines": len(sought) - len(wanted.blobs) - len(wanted.bodies),
            "bodies": len(wanted.bodies),
        },
        workspace=near.summary["counts"],
        packages=packages.counts,
        packages_digest=near.summary["listing"],
        skipped=tuple(f"{path}: {why}" for path, why in [*near.summary["skipped"], *packages.skipped]),
        findings=tuple(findings),
        wall_s=round(time.monotonic() - started, 3),
        proved_at=now(),
    )


def stands(proof: LeakProof | None, task: Task) -> bool:
    """Whether there is a proof without findings, by the present method, of a task as it is."""
    if proof is None or proof.findings or proof.method != METHOD:
        return False
    of = (proof.base_tree, proof.tests_tree, proof.solution_tree, proof.environment)
    return of == (task.base_tree, task.tests_tree, task.solution_tree, task.environment)


def refusal(proof: LeakProof) -> dict[str, Any]:
    """Return what a decision says of a candidate whose workspace gives its solution away."""
    first = proof.findings[0]
    more = f" and {len(proof.findings) - 1} more" if len(proof.findings) > 1 else ""
    return {"accepted": False, "reason": "leaks_solution", "detail": f"{first.path}: {first.what}{more}"}


def _marks(git: Git, language: Language, secret: Secret, paths: Collection[str]) -> list[str]:
    """Return what compiled code of the changed files would carry."""
    return sorted(language.marks(partial(git.file_text, secret.solution_tree), paths))


class _Search:
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
class _Hit:
    piece: str
    path: str
    inside: str
    """Member of an archive, `!` before it; empty for the file itself."""


def _packages_beside(mounts: Iterable[Path]) -> tuple[str, ...]:
    """Return where, beside the environment, an agent finds packages: the interpreter's prefix and the system's."""
    return (*map(str, mounts), "/usr", "/usr/local")


class _Answer:
    """What a search told."""

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self._records = records
        hits = [(_Hit(one["hit"], one["path"], one["inside"]), "beside" in one) for one in records if "hit" in one]
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


def _findings(hits: Iterable[_Hit], sought: Mapping[str, str], counts: Callable[[set[str]], bool]) -> list[Leak]:
    """Return a finding for each file that has a piece that is sought, if what it has `counts`."""
    by_file: dict[str, list[str]] = {}
    for hit in hits:
        by_file.setdefault(hit.path + hit.inside, []).append(hit.piece)
    found = []
    for path, pieces in sorted(by_file.items()):
        secret = [piece for piece in pieces if piece in sought]
        if secret and counts(set(pieces)):
            more = f" (and {len(secret) - 1} more)" if len(secret) > 1 else ""
            found.append(Leak(path=path, what=sought[secret[0]] + more))
    return found


async def _packages(search: _Search, listing: str) -> _Packages:
    """Return what an environment holds, from the cache when one with the same files was read before."""
    folder = cache_dir() / "leaks" / digest(METHOD, listing)
    async with building_slowly(folder) as part:
        if part is not None:
            records = await search.ask("index")
            summary = next(record for record in records if "counts" in record)
            pieces = b"".join(base64.b64decode(record["pieces"]) for record in records if "pieces" in record)
            write_bytes(part / "pieces", pieces)
            write_json(part / "read.json", {"counts": summary["counts"], "skipped": summary["skipped"]})
    read = json.loads((folder / "read.json").read_text("utf-8"))
    return _Packages((folder / "pieces").read_bytes(), read["counts"], tuple(map(tuple, read["skipped"])))


def _common(sought: Iterable[str], pieces: bytes) -> set[str]:
    """Return those of `sought` that are among `pieces`, by bisection."""
    found = set()
    for piece in sought:
        wanted, low, high = bytes.fromhex(piece), 0, len(pieces) // _PIECE
        while low < high:
            middle = (low + high) // 2
            if pieces[middle * _PIECE : (middle + 1) * _PIECE] < wanted:
                low = middle + 1
            else:
                high = middle
        if pieces[low * _PIECE : (low + 1) * _PIECE] == wanted:
            found.add(piece)
    return found
