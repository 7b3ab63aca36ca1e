"""Secrets and people in what mining stores: replaced in words, and a reason to turn a change down in its lines."""

from __future__ import annotations

from collections.abc import Sequence

from worktrial.formats.candidate import Candidate, Rejection
from worktrial.formats.redaction import Redaction
from worktrial.mine.changes import Edit
from worktrial.mine.filters import Reason
from worktrial.redaction.people import KnownNames
from worktrial.redaction.redactor import SECRETS, Redactor


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
