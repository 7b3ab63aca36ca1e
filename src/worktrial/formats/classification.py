"""What a model says of candidates, beside rules and coverage: it is kept, and decides nothing."""

from __future__ import annotations

from typing import Literal

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.provenance import Difficulty, WorkKind


class ModelAnswer(Record):
    """What every answer of a model about one candidate has; what it was asked is in `judging.py` of the stage."""

    of: str
    """Id of the candidate."""
    at: Timestamp
    model: str
    """As it was asked for."""
    prompt_version: str
    """Of the instructions."""
    request_sha256: str
    """Of all that the model was sent: the same request is not made twice."""
    explanation: str = ""
    """The model's own words, one sentence."""
    error: str = ""
    """Why there is no answer; empty when there is one."""


class Classification(ModelAnswer):
    """The rules' and a model's answer about a prompt, side by side: `classification.jsonl` of a suite."""

    format: Literal["worktrial/classification@1"] = "worktrial/classification@1"
    rule_reason: str | None = None
    """Why the rules turn the prompt down; None: they keep it."""
    rule_kind: WorkKind | None = None
    rule_difficulty: Difficulty | None = None
    model_reason: str | None = None
    """Why the model would turn it down, one of the rules' reasons; None: it would keep it, or gave no answer."""
    model_kind: WorkKind | None = None
    model_difficulty: Difficulty | None = None


class RelevanceJudged(ModelAnswer):
    """Which of the ranked test files a model holds to concern a change, beside coverage: `relevance.jsonl`."""

    format: Literal["worktrial/relevance@1"] = "worktrial/relevance@1"
    files: tuple[str, ...] = ()
    """Of those it was shown, in its order."""
    precision: float | None = None
    """Share of `files` that cover; None: it named none, or there is no answer."""
    recall: float | None = None
    """Share of the covering files that it was shown and named; None: it was shown none, or there is no answer."""
