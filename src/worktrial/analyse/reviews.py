"""What reviewers' labels come to: tasks they retired, labels for reports, and how far people agree.

The last review of a reviewer is what they think; for agreement, the last they gave before they saw what others said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from worktrial.analyse.agreement import Agreement, agreement
from worktrial.formats.candidate import Candidate
from worktrial.formats.review import Labels, Review
from worktrial.store.suite import Suite

RULES = "rules"
MODEL = "model"
NAMES: dict[str, str] = {
    "kind": "Kind of work",
    "testable": "Testable",
    "underspecified": "Under-specified",
    "narrow": "Tests too narrow",
    "leaks": "Leaks the solution",
    "fate": "Keep or retire",
}
"""Labels by field, as pages call them."""

ByReviewer = dict[str, Review]


@dataclass(frozen=True)
class Pair:
    """Two raters on one label."""

    label: str
    one: str
    other: str
    agreement: Agreement


def latest(suite: Suite, *, blind: bool = False) -> dict[str, ByReviewer]:
    """Return each reviewer's last review of each item, by item and reviewer; with `blind`, the last of those."""
    found: dict[str, ByReviewer] = {}
    for entry in suite.reviews:
        if isinstance(entry, Review) and (entry.blind or not blind):
            found.setdefault(entry.item, {})[entry.reviewer] = entry
    return found


def retired_by_reviewers(suite: Suite) -> dict[str, str]:
    """Return the items that more reviewers retire than keep, with who says so."""
    found = {}
    for item, reviews in latest(suite).items():
        said = {fate: sorted(name for name, one in reviews.items() if one.labels.fate == fate) for fate in _FATES}
        if len(said["retire"]) > len(said["keep"]):
            kept = f", kept by {', '.join(said['keep'])}" if said["keep"] else ""
            found[item] = f"retired by {', '.join(said['retire'])}{kept}"
    return found


_FATES = ("retire", "keep")


def tally(reviews: Mapping[str, Review]) -> dict[str, dict[str, int]]:
    """Return how many reviewers gave which answer, by label; labels nobody gave are left out."""
    found: dict[str, dict[str, int]] = {}
    for label in NAMES:
        answers = [getattr(review.labels, label) for review in reviews.values()]
        counts = Counter(in_word(answer) for answer in answers if answer is not None)
        if counts:
            found[label] = dict(counts.most_common())
    return found


def doubts(reviews: Mapping[str, Review]) -> list[str]:
    """Return the labels by which more reviewers find fault with a task than do not, in the order of `NAMES`."""
    found = []
    for label, fault in _FAULTS.items():
        said = [getattr(review.labels, label) for review in reviews.values()]
        given = [answer == fault for answer in said if answer is not None]
        if sum(given) * 2 > len(given):
            found.append(label)
    return found


_FAULTS: dict[str, object] = {
    "testable": False,
    "underspecified": True,
    "narrow": True,
    "leaks": True,
    "fate": "retire",
}
"""The answers that speak against a task."""


def in_word(answer: object) -> str:
    """Return an answer for people."""
    return "yes" if answer is True else "no" if answer is False else str(answer)


def answers_of_rules(candidate: Candidate | None, *, accepted: bool | None) -> Labels:
    """Return what rules say: the kind of work, and whether validation took the candidate (None: not decided)."""
    kind = candidate.work.kind if candidate is not None and candidate.work is not None else None
    return Labels(kind=kind, fate=None if accepted is None else "keep" if accepted else "retire")


def answers_of_model(candidate: Candidate | None) -> Labels:
    """Return what a model said of the kind of work, where one was asked."""
    return Labels(kind=candidate.work.model_kind if candidate is not None and candidate.work is not None else None)


def pairs(suite: Suite) -> list[Pair]:
    """Return the agreement of every two reviewers, and of each with rules and model, on every label both gave."""
    reviews = latest(suite, blind=True)
    raters: dict[str, dict[str, Labels]] = {}
    for item, by_reviewer in reviews.items():
        for name, review in by_reviewer.items():
            raters.setdefault(name, {})[item] = review.labels
    people = sorted(raters)
    candidates = {one.id: one for one in suite.candidates if one.id in reviews}
    tasks = set(suite.task_ids())
    machines: dict[str, dict[str, Labels]] = {RULES: {}, MODEL: {}}
    for item in reviews:
        decision = suite.decision(item)
        accepted = True if item in tasks else None if decision is None else decision.accepted
        machines[RULES][item] = answers_of_rules(candidates.get(item), accepted=accepted)
        machines[MODEL][item] = answers_of_model(candidates.get(item))
    sides = [(one, raters[one], other, raters[other]) for one, other in combinations(people, 2)]
    sides += [(one, raters[one], other, machines[other]) for one in people for other in (RULES, MODEL)]
    return [
        Pair(label, one, other, agreement(both))
        for label in NAMES
        for one, labels, other, others in sides
        if (both := _both(label, labels, others))
    ]


def _both(label: str, one: Mapping[str, Labels], other: Mapping[str, Labels]) -> list[tuple[Hashable, Hashable]]:
    answers = [(getattr(one[item], label), getattr(other[item], label)) for item in sorted({*one} & {*other})]
    return [(mine, theirs) for mine, theirs in answers if mine is not None and theirs is not None]


def agreement_json(suite: Suite) -> dict[str, Any]:
    """Return all agreement, as `--agreement --json` prints it."""
    reviews = latest(suite)
    rows = [
        {
            "label": pair.label,
            "raters": [pair.one, pair.other],
            "items": pair.agreement.items,
            "agreed": pair.agreement.agreed,
            "percent": None if pair.agreement.share is None else round(100 * pair.agreement.share, 1),
            "kappa": _rounded(pair.agreement.kappa),
            "ci95": [_rounded(pair.agreement.low), _rounded(pair.agreement.high)],
        }
        for pair in pairs(suite)
    ]
    return {
        "reviewers": dict(Counter(name for one in reviews.values() for name in one)),
        "items": len(reviews),
        "agreement": rows,
        "retired": retired_by_reviewers(suite),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
