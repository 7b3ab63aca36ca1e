"""The proof that a workspace holds no answer: its task's files, lines and functions, looked for as an agent could."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from worktrial.curate.needles import Needles, needles
from worktrial.curate.searching import Answer, Hit, Packages, Search, read_packages
from worktrial.formats.base import now
from worktrial.formats.evidence import Leak, LeakProof
from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Task
from worktrial.languages.protocol import BuiltEnvironment, Language
from worktrial.sandboxes.layers import repository_layer, tree_layer
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.git import Git

METHOD = "4"
"""Raised when the search itself changes: proofs by another one are made again."""
_LIMITS = TrialLimits(memory_mib=4096)
_MOST_FINDINGS = 20


@dataclass(frozen=True)
class Secret:
    """What must not be found, and where an agent starts."""

    base_tree: str
    tests_tree: str
    solution_tree: str


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
        found = await _look_for(wanted, Search(workspace, language, environment), git, language, secret)
    finally:
        await workspace.close()
    findings = found.findings
    if len(findings) > _MOST_FINDINGS:
        findings = [*findings[:_MOST_FINDINGS], Leak(path="…", what=f"{len(findings) - _MOST_FINDINGS} more")]
    return LeakProof(
        base_tree=secret.base_tree,
        tests_tree=secret.tests_tree,
        solution_tree=secret.solution_tree,
        environment=environment.key,
        method=METHOD,
        sandbox=workspace.tier,
        sought={
            "blobs": len(wanted.blobs),
            "lines": len(wanted.sought()) - len(wanted.blobs) - len(wanted.bodies),
            "bodies": len(wanted.bodies),
        },
        workspace=found.near.summary["counts"],
        packages=found.packages.counts,
        packages_digest=found.near.summary["listing"],
        skipped=tuple(f"{path}: {why}" for path, why in [*found.near.summary["skipped"], *found.packages.skipped]),
        findings=tuple(findings),
        wall_s=round(time.monotonic() - started, 3),
        proved_at=now(),
    )


@dataclass(frozen=True)
class _Found:
    near: Answer
    packages: Packages
    findings: list[Leak]


async def _look_for(wanted: Needles, search: Search, git: Git, language: Language, secret: Secret) -> _Found:
    """Search near the task first, then the packages; what is not secret after all is taken out of `wanted`."""
    question = {"tree": secret.base_tree, "sources": wanted.sources, "changed": sorted(wanted.files)}
    near = Answer(await search.ask("near", pieces=list(wanted.sought()), context=sorted(wanted.context()), **question))
    # What a file of the base says already is no secret.
    tracked = await asyncio.to_thread(git.tree_files, secret.base_tree)
    wanted.forget({hit.piece for hit in near.hits if hit.path in tracked and not hit.inside})
    near.add_bodies(wanted)
    sought = wanted.sought()
    packages = await read_packages(search, METHOD, near.summary["listing"])
    common = packages.common({*sought, *wanted.context()})
    # Most environments have not enough in all their files together: no need to ask which.
    far = Answer(await search.ask("far", pieces=sorted(common)) if wanted.is_copy(common) else [])
    marks = await asyncio.to_thread(_marks, git, language, secret, [*wanted.files])
    compiled = Answer(await search.ask("programs", marks=marks) if marks else [])
    findings = [*near.structure, *compiled.programs, *_findings(near.hits, sought, bool)]
    return _Found(near, packages, findings + _findings([*near.beside, *far.hits], sought, wanted.is_copy))


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


def _findings(hits: Iterable[Hit], sought: Mapping[str, str], counts: Callable[[set[str]], bool]) -> list[Leak]:
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
