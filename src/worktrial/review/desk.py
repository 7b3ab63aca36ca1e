"""A reviewer's desk: which items are theirs, what they said, and what they may see of what others said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from worktrial.analyse.reviews import MODEL, RULES, answers_of_model, answers_of_rules
from worktrial.errors import UsageError
from worktrial.formats.base import now
from worktrial.formats.review import Labels, Looked, Review
from worktrial.review.items import Item, Items
from worktrial.store.files import explain
from worktrial.store.suite import Suite

_TRUTH = {"yes": True, "no": False}


@dataclass(frozen=True)
class Opinion:
    """What one rater says of an item."""

    rater: str
    labels: Labels
    note: str = ""
    machine: bool = False


class Desk:
    """The reviews of one reviewer. The suite's file is read anew each time: others may be adding to it."""

    def __init__(self, suite: Suite, reviewer: str, ids: list[str]) -> None:
        self.suite = suite
        self.reviewer = reviewer
        self.ids = ids
        self.items = Items(suite, ids)

    def mine(self) -> dict[str, Review]:
        """Return this reviewer's last review of each item that is as it was when they gave it."""
        found = {}
        for entry in self.suite.reviews:
            if isinstance(entry, Review) and entry.reviewer == self.reviewer and entry.item in self.ids:
                found[entry.item] = entry
        return {item: review for item, review in found.items() if review.of == self.items.of(item)}

    def save(self, item: str, form: Mapping[str, Any]) -> Review:
        """Store what a form says of an item. Raises `UsageError` for a form that no page of ours sends."""
        try:
            review = Review(
                item=item,
                of=self.items.of(item),
                reviewer=self.reviewer,
                labels=_labels(form),
                note=str(form.get("note", "")).replace("\r\n", "\n").strip(),
                blind=not self.has_looked(item),
                at=now(),
            )
        except (ValidationError, KeyError) as error:
            cause = explain(error) if isinstance(error, ValidationError) else f"{error} is no answer"
            raise UsageError("these labels can't be stored", cause=cause) from error
        if review.labels == Labels() and not review.note:
            raise UsageError("nothing was labelled", hint="choose at least one label, or write a note")
        self.suite.reviews.append(review)
        return review

    def has_looked(self, item: str) -> bool:
        """Whether this reviewer was shown what others say of an item."""
        return any(
            isinstance(entry, Looked) and (entry.item, entry.reviewer) == (item, self.reviewer)
            for entry in self.suite.reviews
        )

    def look(self, item: str) -> None:
        """Note that others' labels are shown. Raises `UsageError` before this reviewer has given their own."""
        if item not in self.mine():
            raise UsageError("others' labels are shown once you have given yours")
        if not self.has_looked(item):
            self.suite.reviews.append(Looked(item=item, reviewer=self.reviewer, at=now()))

    def others(self, item: Item) -> list[Opinion]:
        """Return what others, rules and model say of an item."""
        people: dict[str, Review] = {}
        for entry in self.suite.reviews:
            if isinstance(entry, Review) and entry.item == item.id and entry.reviewer != self.reviewer:
                people[entry.reviewer] = entry
        decision = item.evidence.decision
        accepted = True if item.task is not None else None if decision is None else decision.accepted
        rules = answers_of_rules(item.candidate, accepted=accepted)
        found = [Opinion(name, review.labels, review.note) for name, review in sorted(people.items())]
        found.append(Opinion(RULES, rules, item.work.rule if item.work is not None else "", machine=True))
        model = answers_of_model(item.candidate)
        return [*found, Opinion(MODEL, model, machine=True)] if model != Labels() else found

    def next_open(self, item: str | None = None) -> str | None:
        """Return the first item after `item` that has no labels of this reviewer, from the start when none follows."""
        done = self.mine()
        at = self.ids.index(item) + 1 if item is not None else 0
        return next((one for one in (*self.ids[at:], *self.ids[:at]) if one not in done), None)


def _labels(form: Mapping[str, Any]) -> Labels:
    """Return the labels of a form; an empty answer is none."""
    said: dict[str, Any] = {}
    for name in ("kind", "fate"):
        said[name] = form.get(name) or None
    for name in ("testable", "underspecified", "narrow", "leaks"):
        answer = form.get(name)
        said[name] = _TRUTH[str(answer)] if answer else None
    return Labels.model_validate(said)
