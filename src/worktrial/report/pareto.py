"""The picture of what solving costs: one point per agent with its intervals, and the agents that none beats on both.

Places are in percent of the drawing, so that it fits any screen with its text at full size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from worktrial.analyse.intervals import Rate
from worktrial.analyse.words import duration, money, percent
from worktrial.report.charts import SECONDS, LogAxis

_LEFT, _RIGHT, _TOP, _BOTTOM = 9.0, 97.0, 5.0, 87.0
"""Edges of the field, percent."""
_LABEL_PLACES = 0.062
"""Least distance of two labels from top to bottom, as a part of the drawing's height."""


@dataclass(frozen=True)
class Point:
    """One agent."""

    name: str
    rate: Rate
    amount: float | None
    """Cost per completed task, or seconds; above 0. None is unknown: the point then has no place on the axis."""
    low: float | None = None
    """95% interval of `amount`; None where there is none."""
    high: float | None = None


def frontier(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats on one side and equals or beats on the other, the least amount first."""
    known = sorted((point for point in points if point.amount), key=lambda point: (point.amount or 0, -point.rate.mean))
    found: list[Point] = []
    for point in known:
        if not found or point.rate.mean > found[-1].rate.mean:
            found.append(point)
    return found


def pareto_chart(points: Sequence[Point], unit: Literal["usd", "seconds"], best: str | None) -> Markup | None:
    """Return the picture, amount on a logarithmic axis; None when fewer than two points have a place on it."""
    placed = [point for point in points if point.amount]
    if len(placed) < 2:
        return None
    axis = _Axis(placed, SECONDS if unit == "seconds" else ())
    front = frontier(placed)
    edges = Markup("").join(_edge(one, two, axis) for one, two in pairwise(front))
    drawn = Markup("").join(_point(point, axis, point in front, point.name == best) for point in placed)
    labels = Markup("").join(_labels(placed, axis, best))
    words = "; ".join(f"{point.name}: {percent(point.rate.mean)} at {_amount(point.amount, unit)}" for point in placed)
    return Markup(
        '<svg class="pareto" role="img" aria-label="Solve rate against {what}. {words}">'
        "{grid}{edges}{drawn}{labels}</svg>"
    ).format(
        what="cost per completed task" if unit == "usd" else "median time",
        words=words,
        grid=_grid(axis, unit),
        edges=edges,
        drawn=drawn,
        labels=labels,
    )


class _Axis:
    """Places of rates and amounts, in percent of the drawing."""

    def __init__(self, points: Sequence[Point], marks: Sequence[float]) -> None:
        ends = [end for point in points for end in (point.amount, point.low, point.high) if end]
        self._amounts = LogAxis(ends, marks)
        rates = [end for point in points for end in (point.rate.low, point.rate.high)]
        # The part of 0 to 100% that is used, in steps of 10.
        self.bottom = max(0.0, math.floor(min(rates) * 10 - 0.2) / 10)
        self.top = min(1.0, math.ceil(max(rates) * 10 + 0.2) / 10)

    def x(self, amount: float) -> float:
        return _LEFT + self._amounts.place(amount) / 100 * (_RIGHT - _LEFT)

    def y(self, rate: float) -> float:
        return _BOTTOM - (rate - self.bottom) / (self.top - self.bottom) * (_BOTTOM - _TOP)

    def amounts(self) -> list[float]:
        return self._amounts.ticks()

    def rates(self) -> list[float]:
        tenths = range(round(self.bottom * 10), round(self.top * 10) + 1)
        step = 1 if len(tenths) <= 6 else 2
        return [tenth / 10 for tenth in tenths if tenth % step == 0]


def _grid(axis: _Axis, unit: Literal["usd", "seconds"]) -> Markup:
    lines = [
        Markup(
            '<line class="rule" x1="{left}%" x2="{right}%" y1="{y:.2f}%" y2="{y:.2f}%"/>'
            '<text x="{at}%" y="{y:.2f}%" dy="4" text-anchor="end">{text}</text>'
        ).format(left=_LEFT, right=_RIGHT, at=_LEFT - 1, y=axis.y(rate), text=percent(rate))
        for rate in axis.rates()
    ]
    lines += [
        Markup(
            '<line class="rule" x1="{x:.2f}%" x2="{x:.2f}%" y1="{top}%" y2="{bottom}%"/>'
            '<text x="{x:.2f}%" y="{bottom}%" dy="16" text-anchor="middle">{text}</text>'
        ).format(x=axis.x(amount), top=_TOP, bottom=_BOTTOM, text=_amount(amount, unit))
        for amount in axis.amounts()
    ]
    return Markup("").join(lines)


def _edge(one: Point, two: Point, axis: _Axis) -> Markup:
    """Return the step of the frontier from one point to the next: along at the lower rate, then up."""
    left, right = axis.x(one.amount or 1), axis.x(two.amount or 1)
    low, high = axis.y(one.rate.mean), axis.y(two.rate.mean)
    return Markup(
        '<line class="front" x1="{left:.2f}%" x2="{right:.2f}%" y1="{low:.2f}%" y2="{low:.2f}%"/>'
        '<line class="front" x1="{right:.2f}%" x2="{right:.2f}%" y1="{low:.2f}%" y2="{high:.2f}%"/>'
    ).format(left=left, right=right, low=low, high=high)


def _point(point: Point, axis: _Axis, on_front: bool, best: bool) -> Markup:
    x, y = axis.x(point.amount or 1), axis.y(point.rate.mean)
    bars = Markup('<line class="ci" x1="{x:.2f}%" x2="{x:.2f}%" y1="{low:.2f}%" y2="{high:.2f}%"/>').format(
        x=x, low=axis.y(point.rate.low), high=axis.y(point.rate.high)
    )
    if point.low and point.high:
        bars += Markup('<line class="ci" x1="{low:.2f}%" x2="{high:.2f}%" y1="{y:.2f}%" y2="{y:.2f}%"/>').format(
            low=axis.x(point.low), high=axis.x(point.high), y=y
        )
    kind = " ".join(["pt", *(["best"] if best else []), *([] if on_front else ["beaten"])])
    return Markup('<g class="{kind}">{bars}<circle cx="{x:.2f}%" cy="{y:.2f}%" r="6"/></g>').format(
        kind=kind, bars=bars, x=x, y=y
    )


def _labels(points: Sequence[Point], axis: _Axis, best: str | None) -> list[Markup]:
    """Return the names beside their points, moved down where two would lie on each other."""
    found = []
    taken: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: -point.rate.mean):
        x, y = axis.x(point.amount or 1), axis.y(point.rate.mean)
        while any(abs(y - other) < _LABEL_PLACES * 100 and abs(x - beside) < 30 for beside, other in taken):
            y += _LABEL_PLACES * 25
        taken.append((x, y))
        left = x > 62
        found.append(
            Markup(
                '<text class="{kind}" x="{x:.2f}%" y="{y:.2f}%" dx="{dx}" dy="-9" text-anchor="{anchor}">{name}</text>'
            ).format(
                kind="name best" if point.name == best else "name",
                x=x,
                y=y,
                dx=-10 if left else 10,
                anchor="end" if left else "start",
                name=point.name if len(point.name) <= 24 else f"{point.name[:23]}\N{HORIZONTAL ELLIPSIS}",
            )
        )
    return found


def _amount(value: float | None, unit: Literal["usd", "seconds"]) -> str:
    if value is None:
        return money(None)
    if unit == "seconds":
        return duration(value)
    return f"${value:,.0f}" if value >= 1 and value == int(value) else money(value)
