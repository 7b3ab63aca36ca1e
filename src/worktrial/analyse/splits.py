"""Solve rates by what tasks are like: kind of work, difficulty, language, size, who wrote the solution, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from worktrial.analyse.intervals import Outcomes, Rate, solve_rate
from worktrial.formats.run import AgentConfig

UNKNOWN = "unknown"
_SIZES = ((10, "up to 10 lines"), (50, "11 to 50 lines"), (200, "51 to 200 lines"))
_LARGEST = "over 200 lines"
_SHARES = ((0.0, "none"), (0.5, "up to half"), (0.999, "over half"))
_WHOLE = "all of it"
_AFTER, _BEFORE = "after the model's cutoff", "before it, or on the day"
_SOUND, _DOUBTED = "no fault found", "found fault with"
_MOST_GROUPS = 8
"""Of one split; the smaller ones are put together."""


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task besides its trials; None is unknown."""

    id: str
    language: str | None = None
    kind: str | None = None
    """Of work, as `worktrial.formats.provenance.WorkKind`."""
    difficulty: str | None = None
    lines: int | None = None
    """Added and removed by the solution, tests left out."""
    ai_share: float | None = None
    """Share of the solution that an agent proposed, 0..1."""
    model: str | None = None
    """The model that wrote most of the solution."""
    landed_on: date | None = None
    doubted: bool | None = None
    """Whether more reviewers find fault with it than do not; None: nobody looked."""


@dataclass(frozen=True)
class Group:
    """The tasks that have one thing in common."""

    label: str
    tasks: int
    """How many, graded or not; where groups differ from agent to agent, the most of any."""
    rates: Mapping[str, Rate | None]
    """Solve rate by agent; None where nothing was graded."""


@dataclass(frozen=True)
class Split:
    """A suite taken apart by one property of its tasks."""

    name: str
    groups: tuple[Group, ...]
    unknown_hint: str = ""
    """Why the property may be unknown, and what would make it known; for people."""

    @property
    def telling(self) -> bool:
        """Whether there are at least two groups whose property is known."""
        return sum(group.label != UNKNOWN for group in self.groups) > 1


Key = Callable[[TaskFacts, AgentConfig], str]


def splits(outcomes: Mapping[str, Outcomes], agents: Sequence[AgentConfig], facts: Sequence[TaskFacts]) -> list[Split]:
    """Return every split of a run.

    `outcomes` has an array of shape (tasks, trials) for each of `agents`, in the order of `facts`. Groups are in the
    order of what they stand for, the unknown last. No test is made: groups are many and small, so that some differ by
    chance alone (Gelman and Loken 2013, the garden of forking paths).
    """
    older = "mine again: tasks mined earlier were not classified"
    sessions = "no session is known that they came from"
    cut = "give an agent its cutoff in worktrial.toml"
    found: list[tuple[str, Key, Sequence[str], str]] = [
        ("Kind of work", lambda task, _: (task.kind or UNKNOWN).replace("_", " "), (), older),
        ("Difficulty", lambda task, _: task.difficulty or UNKNOWN, ("small", "medium", "large"), older),
        ("Language", lambda task, _: task.language or UNKNOWN, (), ""),
        ("Size of the solution", _size, [*(label for _, label in _SIZES), _LARGEST], ""),
        ("Share of the solution that an AI wrote", _share, [*(label for _, label in _SHARES), _WHOLE], sessions),
        ("Model that wrote the solution", lambda task, _: task.model or UNKNOWN, (), sessions),
        ("Date it landed", _age, (_AFTER, _BEFORE), cut),
        ("What reviewers said", _reviewed, (_SOUND, _DOUBTED), "nobody reviewed them: worktrial review SUITE"),
    ]

    def split(name: str, key: Key, order: Sequence[str], hint: str) -> Split:
        labels = {agent.name: [key(task, agent) for task in facts] for agent in agents}
        return _split(name, order, hint, labels, outcomes)

    return [split(*one) for one in found]


def _split(
    name: str,
    order: Sequence[str],
    hint: str,
    labels: Mapping[str, list[str]],
    outcomes: Mapping[str, Outcomes],
) -> Split:
    sizes: dict[str, int] = {}
    for own in labels.values():
        for label in dict.fromkeys(own):
            sizes[label] = max(sizes.get(label, 0), own.count(label))
    if not order:
        order = sorted((label for label in sizes if label != UNKNOWN), key=lambda label: (-sizes[label], label))
    kept = [label for label in order if label in sizes]
    groups = [_group([label], label, labels, outcomes) for label in kept[:_MOST_GROUPS]]
    if rest := kept[_MOST_GROUPS:]:
        groups.append(_group(rest, f"{len(rest)} others", labels, outcomes))
    if UNKNOWN in sizes:
        groups.append(_group([UNKNOWN], UNKNOWN, labels, outcomes))
    return Split(name, tuple(groups), hint if UNKNOWN in sizes else "")


def _group(of: Iterable[str], label: str, labels: Mapping[str, list[str]], outcomes: Mapping[str, Outcomes]) -> Group:
    wanted = set(of)
    chosen = {agent: np.array([one in wanted for one in own], dtype=bool) for agent, own in labels.items()}
    tasks = max((int(np.sum(mask)) for mask in chosen.values()), default=0)
    return Group(label, tasks, {agent: solve_rate(outcomes[agent][mask]) for agent, mask in chosen.items()})


def _size(task: TaskFacts, _: AgentConfig) -> str:
    return UNKNOWN if task.lines is None else _step(task.lines, _SIZES, _LARGEST)


def _share(task: TaskFacts, _: AgentConfig) -> str:
    return UNKNOWN if task.ai_share is None else _step(task.ai_share, _SHARES, _WHOLE)


def _step(value: float, steps: Sequence[tuple[float, str]], beyond: str) -> str:
    return next((label for most, label in steps if value <= most), beyond)


def _reviewed(task: TaskFacts, _: AgentConfig) -> str:
    return UNKNOWN if task.doubted is None else _DOUBTED if task.doubted else _SOUND


def _age(task: TaskFacts, agent: AgentConfig) -> str:
    if task.landed_on is None or agent.cutoff is None:
        return UNKNOWN
    return _AFTER if task.landed_on > agent.cutoff else _BEFORE
