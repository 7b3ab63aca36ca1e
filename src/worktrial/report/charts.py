"""Charts as SVG in percent of their width, so that they fit any screen; the figures stand beside them as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from markupsafe import Markup

from worktrial.analyse.intervals import Rate
from worktrial.analyse.paired import Paired
from worktrial.analyse.words import percent, points

SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800)
"""Where an axis of times may have lines."""
_AXES = (0.1, 0.2, 0.3, 0.5, 1.0)
"""How far the axis of differences may reach to either side."""


def rate_bar(rate: Rate | None) -> Markup:
    """Return a solve rate as a bar with its 95% interval over it, on a scale of 0 to 100%."""
    if rate is None:
        return Markup('<svg class="bar" role="img" aria-label="no graded trial">{}</svg>').format(_grid())
    label = f"{percent(rate.mean)}, 95% interval {percent(rate.low)} to {percent(rate.high)}"
    mean, low, high = (f"{value * 100:.2f}%" for value in (rate.mean, rate.low, rate.high))
    return Markup(
        '<svg class="bar" role="img" aria-label="{label}">{grid}'
        '<rect class="mean" x="0" y="7" width="{mean}" height="14"/>'
        '<line class="ci" x1="{low}" x2="{high}" y1="14" y2="14"/>'
        '<line class="cap" x1="{low}" x2="{low}" y1="9" y2="19"/>'
        '<line class="cap" x1="{high}" x2="{high}" y1="9" y2="19"/>'
        '<circle cx="{mean}" cy="14" r="4.5"/></svg>'
    ).format(label=label, grid=_grid(), mean=mean, low=low, high=high)


def rate_axis() -> Markup:
    """Return the scale of the bars."""
    ticks = Markup("").join(
        Markup('<text x="{x}%" y="11" text-anchor="{anchor}">{x}%</text>').format(x=x, anchor=anchor)
        for x, anchor in ((0, "start"), (50, "middle"), (100, "end"))
    )
    return Markup('<svg class="axis" aria-hidden="true">{}</svg>').format(ticks)


def difference_bar(paired: Paired) -> Markup:
    """Return a difference with its 95% interval, on a scale around zero: does the interval cross it?"""
    reach = max(abs(paired.low), abs(paired.high))
    limit = next(axis for axis in _AXES if axis >= reach)
    middle, low, high = (f"{50 + value / limit * 50:.2f}%" for value in (paired.difference, paired.low, paired.high))
    label = f"{points(paired.difference)} points, 95% interval {points(paired.low)} to {points(paired.high)}"
    ticks = Markup("").join(
        Markup('<text x="{x}%" y="44" text-anchor="{anchor}">{text}</text>').format(x=x, anchor=anchor, text=text)
        for x, anchor, text in (
            (0, "start", points(-limit)),
            (50, "middle", "0"),
            (100, "end", f"{points(limit)} points"),
        )
    )
    return Markup(
        '<svg class="difference" role="img" aria-label="{label}">'
        '<line class="base" x1="0" x2="100%" y1="16" y2="16"/><line class="zero" x1="50%" x2="50%" y1="0" y2="32"/>'
        '<line class="ci" x1="{low}" x2="{high}" y1="16" y2="16"/>'
        '<line class="cap" x1="{low}" x2="{low}" y1="9" y2="23"/>'
        '<line class="cap" x1="{high}" x2="{high}" y1="9" y2="23"/>'
        '<circle cx="{middle}" cy="16" r="6"/>{ticks}</svg>'
    ).format(label=label, low=low, high=high, middle=middle, ticks=ticks)


_APART = 25.0
"""Percent of an axis between two labels that are to be read on a phone."""


class LogAxis:
    """A logarithmic scale over some amounts above 0, in percent of a drawing's width."""

    def __init__(self, values: Iterable[float], marks: Sequence[float] = ()) -> None:
        """`marks` are the values that may have a line, such as full minutes; none: 1, 2 and 5 times powers of ten."""
        self._marks = marks
        known = [value for value in values if value > 0] or [1.0]
        low, high = math.log10(min(known)), math.log10(max(known))
        room = max(0.1, (high - low) * 0.06)
        self.low, self.high = low - room, high + room
        self._ends = sorted({min(known), max(known)})

    def place(self, value: float) -> float:
        """Return where a value is; what is 0 or less stands at the left end."""
        if value <= 0:
            return 0.0
        return min(100.0, max(0.0, (math.log10(value) - self.low) / (self.high - self.low) * 100))

    def ticks(self, most: int = 5) -> list[float]:
        """Return the values that have a line, fewer where they would crowd."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        inside: list[float] = []
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = self._marks or [step * 10.0**power for power in powers for step in steps]
            inside = [value for value in found if self.low <= math.log10(value) <= self.high]
            if len(inside) <= most or self._marks:
                break
        if not inside:  # all within one step: its ends say where it is, or one where two would lie on each other
            first, last = self._ends[0], self._ends[-1]
            return self._ends if self.place(last) - self.place(first) > _APART else [first]
        return inside[:: max(1, math.ceil(len(inside) / most))]


def log_axis(axis: LogAxis, words: Callable[[float], str]) -> Markup:
    """Return the scale of bars on a logarithmic axis."""
    ticks = Markup("").join(
        Markup('<text x="{x:.2f}%" y="11" text-anchor="middle">{text}</text>').format(
            x=axis.place(value), text=words(value)
        )
        for value in axis.ticks()
    )
    return Markup('<svg class="axis" aria-hidden="true">{}</svg>').format(ticks)


def spread_bar(axis: LogAxis, quartiles: tuple[float, float, float], far: float, label: str) -> Markup:
    """Return quartiles as a bar, the median as a dot and a line as far as `far`."""
    rules = Markup("").join(
        Markup('<line class="rule" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="28"/>').format(x=axis.place(value))
        for value in axis.ticks()
    )
    left, dot, right, end = (axis.place(value) for value in (*quartiles, far))
    return Markup(
        '<svg class="bar" role="img" aria-label="{label}">{rules}'
        '<rect class="mean" x="{left:.2f}%" y="7" width="{width:.2f}%" height="14"/>'
        '<line class="ci" x1="{right:.2f}%" x2="{end:.2f}%" y1="14" y2="14"/>'
        '<line class="cap" x1="{end:.2f}%" x2="{end:.2f}%" y1="9" y2="19"/>'
        '<circle cx="{dot:.2f}%" cy="14" r="4.5"/></svg>'
    ).format(label=label, rules=rules, left=left, width=right - left, right=right, end=end, dot=dot)


def parts_bar(parts: Sequence[float], whole: float, label: str) -> Markup:
    """Return amounts laid end to end, on a scale of 0 to `whole`."""
    drawn, at = Markup(""), 0.0
    for number, part in enumerate(parts, 1):
        width = part / whole * 100 if whole else 0.0
        drawn += Markup('<rect class="p{n}" x="{x:.2f}%" y="5" width="{w:.2f}%" height="18"/>').format(
            n=number, x=at, w=width
        )
        at += width
    return Markup('<svg class="bar" role="img" aria-label="{label}">{drawn}</svg>').format(label=label, drawn=drawn)


def _grid() -> Markup:
    return Markup("").join(
        Markup('<line class="rule" x1="{x}%" x2="{x}%" y1="0" y2="28"/>').format(x=x) for x in (0, 25, 50, 75, 100)
    )
