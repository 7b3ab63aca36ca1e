"""Secrets and people in what mining stores: replaced in words, and a reason to turn a change down in its lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from worktrial.formats.candidate import Candidate, Rejection
from worktrial.formats.redaction import Redaction
from worktrial.mine.changes import Edit
from worktrial.mine.filters import Reason
from worktrial.redaction.people import Identities, KnownNames
from worktrial.redaction.redactor import SECRETS, Redactor
from worktrial.store.git import Git

_AUTHORS = "%an%x00%ae%n%aN%x00%aE%n%cn%x00%ce%n%(trailers:key=Co-authored-by,valueonly)"
_CO_AUTHOR = re.compile(r"\s*(?P<name>[^<>\0]+?)\s*<(?P<mail>[^<>\s]+)>\s*")


def known_names(git: Git) -> KnownNames:
    """Return who is known by name: authors and committers of all branches, and this machine and its user."""
    listed = git.run("log", "--all", f"--format={_AUTHORS}").decode("utf-8", "replace")
    return KnownNames(Identities.of_authors(_authors(set(listed.split("\n")))) | Identities.of_machine())


def _authors(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, between, mail = line.partition("\0")
        if between:
            yield name, mail
        elif found := _CO_AUTHOR.fullmatch(line):
            yield found["name"], found["mail"]


def redact_all(
    candidates: Sequence[Candidate], rejections: Sequence[Rejection], known: KnownNames
) -> tuple[tuple[Candidate, ...], tuple[Rejection, ...], tuple[Redaction, ...]]:
    """Return candidates and rejections as they may be written, and what was replaced in them.

    Each has placeholders of its own. What is redacted already comes back as it is.
    """
    noted: list[Redaction] = []
    done = [redact_candidate(item, known, noted) for item in candidates]
    turned_down = [_rejection(item, known, noted) for item in rejections]
    return tuple(done), tuple(turned_down), tuple(noted)


def redact_candidate(candidate: Candidate, known: KnownNames, noted: list[Redaction]) -> Candidate:
    """Return a candidate without secrets and people in its words; what was replaced is added to `noted`."""
    redactor = Redactor(known)

    def text(where: str, said: str) -> str:
        return redactor.text(said, where)

    # The prompt first: its placeholders count from one, whatever else is stored beside it.
    prompt = text("prompt", candidate.prompt)
    prompts = tuple(text(f"prompts/{n}", said) for n, said in enumerate(candidate.prompts, 1))
    provenance = candidate.provenance
    if provenance is not None:
        links = tuple(link.model_copy(update={"detail": text("provenance", link.detail)}) for link in provenance.links)
        provenance = provenance.model_copy(update={"links": links})
    removed = tuple(item.model_copy(update={"text": text("removed", item.text)}) for item in candidate.removed)
    redacted = candidate.model_copy(
        update={
            "prompt": prompt,
            "prompts": prompts,
            "subject": text("subject", candidate.subject),
            "message": text("message", candidate.message),
            "removed": removed,
            "provenance": provenance,
        }
    )
    noted += _listed(candidate.id, redactor)
    return redacted


def _rejection(rejection: Rejection, known: KnownNames, noted: list[Redaction]) -> Rejection:
    redactor = Redactor(known)
    subject, detail = redactor.text(rejection.subject, "subject"), redactor.text(rejection.detail, "detail")
    noted += _listed(rejection.commit, redactor)
    return rejection.model_copy(update={"subject": subject, "detail": detail})


def _listed(name: str, redactor: Redactor) -> list[Redaction]:
    return [Redaction(of=name, where=item.where, kind=item.kind, count=item.count) for item in redactor.found()]


def by_secrets(edits: Sequence[Edit]) -> Reason | None:
    """Judge a change by the keys and passwords in its lines: without them it may not do what it did, and is not kept.

    What tells of people is for validation to replace, which can see whether that changes anything.
    """
    for edit in edits:
        redactor = Redactor()
        for lines in (edit.added, edit.removed):
            redactor.data(b"\n".join(lines), edit.touched.path)
        if kinds := sorted({item.kind for item in redactor.found()} & SECRETS):
            return Reason("needs_secret", f"{', '.join(kinds)} in {edit.touched.path}")
    return None
