"""What people say of tasks and of candidates that were turned down: `reviews.jsonl`, which is only ever added to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.provenance import WorkKind

Reviewer = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]+$")
]
"""A person's name, as they give it."""

Fate = Literal["keep", "retire"]


class Labels(Record):
    """What a person, a rule or a model says of one item. None: not said."""

    kind: WorkKind | None = None
    testable: bool | None = None
    """Whether tests can tell if what is asked was done."""
    underspecified: bool | None = None
    """Whether the prompt leaves open what the tests demand."""
    narrow: bool | None = None
    """Whether the tests turn down solutions that do what is asked."""
    leaks: bool | None = None
    """Whether prompt or workspace give the solution away."""
    fate: Fate | None = None
    """Whether the item belongs into the suite."""


class Review(Record):
    """The labels one reviewer gave one item at one time; the last of a reviewer is what they think now."""

    record: Literal["review"] = "review"
    item: str
    """Id of the task or candidate."""
    of: str
    """Hash of prompt and deciding tests as they were shown: another one now means that the item has changed since."""
    reviewer: Reviewer
    labels: Labels
    note: Annotated[str, StringConstraints(max_length=10_000)] = ""
    blind: bool
    """Whether it was given before others' labels on the item were shown: only such a one counts for agreement."""
    at: Timestamp


class Looked(Record):
    """A reviewer was shown what others, rules and models say of an item."""

    record: Literal["looked"] = "looked"
    item: str
    reviewer: Reviewer
    at: Timestamp


ReviewEntry = Annotated[Review | Looked, Field(discriminator="record")]
