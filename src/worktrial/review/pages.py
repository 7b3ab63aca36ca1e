"""The pages of a review as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from jinja2 import Environment

from worktrial.analyse.agreement import FEW, in_words
from worktrial.analyse.reviews import MODEL, NAMES, RULES, Pair, in_word, latest, pairs, retired_by_reviewers
from worktrial.formats.provenance import WorkKind
from worktrial.formats.review import Labels
from worktrial.pages.render import diff_table, environment
from worktrial.review.desk import Desk

KINDS: dict[str, str] = {
    "new_code": "New code",
    "bug_fix": "Bug fix",
    "refactoring": "Refactoring",
    "tests": "Test writing",
    "review": "Review",
    "other": "Other",
}
QUESTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("testable", "t", "Testable", "Can a test tell whether what is asked was done?"),
    ("underspecified", "u", "Under-specified", "Does the prompt leave open what the tests demand?"),
    ("narrow", "n", "Tests too narrow", "Would the tests turn down a solution that does what is asked?"),
    ("leaks", "l", "Leaks the solution", "Do prompt or code give the solution away?"),
)
"""Field, key, name, and what is asked."""


@dataclass(frozen=True)
class Row:
    """One item of the list."""

    at: int
    title: str
    id: str
    labels: list[str]
    """What this reviewer said; empty: nothing yet."""


class Pages:
    """Makes pages for one reviewer's desk."""

    def __init__(self, desk: Desk, token: str) -> None:
        self._desk = desk
        self._token = token

    def index(self) -> str:
        """Return the list of the sample."""
        desk = self._desk
        mine, following = desk.mine(), desk.next_open()
        rows = [
            Row(at, desk.items.title(item), item, _said(mine[item].labels) if item in mine else [])
            for at, item in enumerate(desk.ids, 1)
        ]
        return self._render(
            "list.html",
            rows=rows,
            done=len(mine),
            done_items=set(mine),
            following=None if following is None else desk.ids.index(following) + 1,
        )

    def item(self, item: str) -> str:
        """Return the page of one item."""
        desk = self._desk
        shown, mine = desk.items.load(item), desk.mine()
        at = desk.ids.index(item) + 1
        looked = item in mine and desk.has_looked(item)
        return self._render(
            "item.html",
            item=shown,
            at=at,
            done=len(mine),
            mine=mine.get(item),
            others=desk.others(shown) if looked else None,
            said=_said,
            tables={id(file): diff_table(file) for diff in (shown.solution, shown.tests) for file in diff.files},
            key_of=id,
            kinds=list(zip(get_args(WorkKind), KINDS.values(), strict=True)),
            questions=QUESTIONS,
        )

    def agreement(self) -> str:
        """Return the page of how far reviewers, rules and model agree, as figures over all items."""
        suite = self._desk.suite
        found = pairs(suite)
        reviews = latest(suite)
        people = sorted({name for one in reviews.values() for name in one})
        mine = self._desk.mine()
        return self._render(
            "agreement.html",
            among=_by_label([pair for pair in found if pair.other not in (RULES, MODEL)]),
            machines=_by_label([pair for pair in found if pair.other in (RULES, MODEL)]),
            counts=[(name, sum(name in one for one in reviews.values())) for name in people],
            retired=[(item, why) for item, why in sorted(retired_by_reviewers(suite).items()) if item in mine],
            hidden=sum(item not in mine for item in retired_by_reviewers(suite)),
            in_words=in_words,
            few=FEW,
        )

    def _render(self, template: str, **values: Any) -> str:
        desk = self._desk
        return (
            _environment()
            .get_template(template)
            .render(
                token=self._token, reviewer=desk.reviewer, suite=desk.suite.path.name, total=len(desk.ids), **values
            )
        )


def _said(labels: Labels) -> list[str]:
    """Return labels in words, what was not said left out."""
    found = [KINDS[labels.kind]] if labels.kind is not None else []
    found += [
        f"{name}: {in_word(answer)}"
        for field, _, name, _ in QUESTIONS
        if (answer := getattr(labels, field)) is not None
    ]
    return [*found, labels.fate.capitalize()] if labels.fate is not None else found


def _by_label(found: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    labels = {pair.label for pair in found}
    return [(name, [pair for pair in found if pair.label == label]) for label, name in NAMES.items() if label in labels]


@cache
def _environment() -> Environment:
    return environment("worktrial.review")
