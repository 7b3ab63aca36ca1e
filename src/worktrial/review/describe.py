"""A suite beside all the work it came from: what it covers, how unlike it is, and what it says nothing about."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from worktrial.analyse.likeness import FEW, Distance, of_categories, of_figures
from worktrial.analyse.words import percent
from worktrial.review.portrait import GONE, Facts, Portrait

_MOST = 10
"""Categories shown of one dimension; the rest is one more."""
REST = "elsewhere"
_NOTABLE = 0.05
"""Share of the work from which on a gap is named."""


@dataclass(frozen=True)
class Bin:
    """One category, or range of figures."""

    name: str
    tasks: int
    candidates: int
    everything: int | None
    """None: not known of changes that never became candidates."""


@dataclass(frozen=True)
class Dimension:
    """One way to look at the work."""

    key: str
    title: str
    unit: str
    gap: str
    """What a missing task would be, with braces for the bins."""
    bins: list[Bin]
    known: int
    """Tasks of which it is known."""
    from_candidates: Distance | None
    """None: too few tasks."""
    from_everything: Distance | None
    """None: too few tasks, or not known of all work."""
    measure: str

    @property
    def told(self) -> bool:
        """Whether it tells changes apart at all."""
        return len(self.bins) > 1

    def whole(self) -> tuple[str, Callable[[Bin], int]]:
        """Return what the suite is set beside, in words and figures: all work where that is known."""
        if all(one.everything is not None for one in self.bins):
            return "all work", lambda one: one.everything or 0
        return "the candidates", lambda one: one.candidates


@dataclass(frozen=True)
class Described:
    """What there is to say of a suite."""

    portrait: Portrait
    dimensions: list[Dimension]
    gaps: list[str]
    """What no task covers, or far too few, in sentences; the largest share of the work first."""


@dataclass(frozen=True)
class _Category:
    """A dimension of categories."""

    key: str
    title: str
    unit: str
    gap: str
    value: Callable[[Facts], str]
    of_all: bool = True
    """Whether it is known of changes that never became candidates."""


@dataclass(frozen=True)
class _Figure:
    """A dimension of figures, with the upper ends of its ranges."""

    key: str
    title: str
    unit: str
    gap: str
    value: Callable[[Facts], float]
    ends: tuple[float, ...]
    names: tuple[str, ...]


def describe(portrait: Portrait, head_at: datetime) -> Described:
    """Set a suite beside the work it came from; ages count back from `head_at`."""

    def months(one: Facts) -> float:
        return max(0.0, (head_at - one.landed_at).days / 30.44)

    age = _Figure("age", "Age", "before the head", "of an age of {}", months, _AGE_ENDS, _AGE_NAMES)
    dimensions = [
        *(_categories(portrait, category) for category in _CATEGORIES[:3]),
        *(_figures(portrait, figure) for figure in (*_FIGURES, age)),
        *(_categories(portrait, category) for category in _CATEGORIES[3:]),
    ]
    dimensions.sort(key=lambda one: not one.told)  # stable: what tells nothing apart comes last
    return Described(portrait, dimensions, _gaps(dimensions, len(portrait.tasks)))


def _kind(one: Facts) -> str:
    return (one.kind or "not classified").replace("_", " ")


def _ai_share(one: Facts) -> str:
    """Return the AI share in steps: most of it is 0, 1 or unknown."""
    if one.ai_share is None:
        return "unknown"
    return "none" if one.ai_share == 0 else "under half" if one.ai_share < 0.5 else "half or more"


_CATEGORIES = (
    _Category("language", "Language", "of most changed lines", "in {}", lambda one: one.language),
    _Category("place", "Part of the repository", "with most changed lines", "in {}", lambda one: one.place),
    _Category("kind", "Kind of work", "told by rules", "of the kind {}", _kind, of_all=False),
    _Category("ai_share", "AI share", "of the landed lines", "with an AI share of {}", _ai_share, of_all=False),
)
_FIGURES = (
    _Figure(
        "size", "Size", "changed lines, tests included", "of {} changed lines", lambda one: one.lines,
        (10, 30, 100, 300, 1000), ("up to 10", "11 to 30", "31 to 100", "101 to 300", "301 to 1,000", "over 1,000"),
    ),
    _Figure(
        "spread", "Spread", "tests included", "in {}", lambda one: one.files, (1, 2, 4, 8, 16),
        ("1 file", "2 files", "3 or 4 files", "5 to 8 files", "9 to 16 files", "over 16 files"),
    ),
    _Figure(
        "prompt", "Prompt length", "words; of the message where it never became one", "with a prompt of {} words",
        lambda one: one.words, (10, 30, 100, 300), ("up to 10", "11 to 30", "31 to 100", "101 to 300", "over 300"),
    ),
)  # fmt: skip
_AGE_ENDS = (3, 12, 24, 48)
_AGE_NAMES = ("under 3 months", "3 to 12 months", "1 to 2 years", "2 to 4 years", "over 4 years")


def _categories(portrait: Portrait, category: _Category) -> Dimension:
    tasks, candidates, everything = ([category.value(one) for one in some] for some in _populations(portrait))
    of_all = category.of_all
    whole = Counter(everything if of_all else candidates)
    names = [name for name, _ in sorted(whole.items(), key=lambda item: (-item[1], item[0]))]
    shown = names[:_MOST] if len(names) > _MOST + 1 else names
    counted = [Counter(name if name in shown else REST for name in some) for some in (tasks, candidates, everything)]
    bins = [
        Bin(name, counted[0][name], counted[1][name], counted[2][name] if of_all else None)
        for name in (*shown, *([REST] if len(shown) < len(names) else []))
    ]
    binned = [list(counter.elements()) for counter in counted]
    return Dimension(
        category.key, category.title, category.unit, category.gap, bins, len(tasks),
        of_categories(binned[0], binned[1]) if len(bins) > 1 else None,
        of_categories(binned[0], binned[2]) if of_all and len(bins) > 1 else None,
        "total variation",
    )  # fmt: skip


def _figures(portrait: Portrait, figure: _Figure) -> Dimension:
    populations = [[figure.value(one) for one in some] for some in _populations(portrait)]
    counted = [Counter(bisect.bisect_left(figure.ends, value) for value in some) for some in populations]
    ranges = [(at, name) for at, name in enumerate(figure.names) if any(counts[at] for counts in counted)]
    bins = [Bin(name, counted[0][at], counted[1][at], counted[2][at]) for at, name in ranges]
    tasks, candidates, everything = populations
    return Dimension(
        figure.key, figure.title, figure.unit, figure.gap, bins, len(tasks),
        of_figures(tasks, candidates), of_figures(tasks, everything), "Kolmogorov-Smirnov",
    )  # fmt: skip


def _populations(portrait: Portrait) -> tuple[list[Facts], list[Facts], list[Facts]]:
    return portrait.tasks, portrait.candidates, portrait.everything


def _gaps(dimensions: Iterable[Dimension], tasks: int) -> list[str]:
    """Return in sentences which notable part of the work has no task, or less than a third of its share."""
    found: list[tuple[float, str]] = []
    for dimension in dimensions:
        name, count = dimension.whole()
        total = sum(count(one) for one in dimension.bins)
        none: list[tuple[float, str]] = []
        for one in dimension.bins:
            share = count(one) / total if total else 0.0
            if share < _NOTABLE or one.name in _NOT_KNOWN:
                continue
            if one.tasks == 0:
                none.append((share, f"{one.name} ({percent(share)})"))
            elif one.tasks / tasks < share / 3 and share * tasks >= 3:
                what = f"few tasks {dimension.gap.format(one.name)}, {one.tasks} of {tasks}"
                found.append((share, f"{dimension.title}: {what}, though it is {percent(share)} of {name}."))
        if none:
            what = dimension.gap.format(_either([text for _, text in none]))
            of = f"{dimension.title}: no task {what}; in brackets, the share of {name}."
            found.append((sum(share for share, _ in none), of))
    return [sentence for _, sentence in sorted(found, key=lambda item: -item[0])]


_NOT_KNOWN = ("unknown", "not classified", GONE, REST)


def _either(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def described_json(described: Described) -> dict[str, Any]:
    """Return all figures as `describe.json` and `--json` hold them."""
    portrait = described.portrait
    return {
        "format": "worktrial/description@1",
        "tasks": len(portrait.tasks),
        "candidates": len(portrait.candidates),
        "changes": len(portrait.everything),
        "turned_down": portrait.reasons,
        "refused": portrait.refused,
        "undecided": portrait.undecided,
        "dimensions": {
            one.key: {
                "bins": {
                    each.name: {"tasks": each.tasks, "candidates": each.candidates, "all": each.everything}
                    for each in one.bins
                },
                "measure": one.measure,
                "from_candidates": _distance(one.from_candidates),
                "from_all": _distance(one.from_everything),
            }
            for one in described.dimensions
        },
        "gaps": described.gaps,
        "few": len(portrait.tasks) < FEW,
    }


def _distance(distance: Distance | None) -> dict[str, Any] | None:
    if distance is None:
        return None
    return {
        "distance": round(distance.value, 4),
        "random_draw_median": round(distance.usual, 4),
        "random_draw_95": round(distance.unusual, 4),
        "by_chance": distance.by_chance,
    }
