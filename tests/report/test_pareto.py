"""The picture of what solving costs."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from worktrial.analyse.intervals import Rate
from worktrial.report.charts import SECONDS, LogAxis
from worktrial.report.figures import beaten_by
from worktrial.report.pareto import Point, frontier, pareto_chart


def point(name: str, rate: float, amount: float | None, low: float | None = None, high: float | None = None) -> Point:
    return Point(name, Rate(rate, max(0.0, rate - 0.1), min(1.0, rate + 0.1), 50, 50), amount, low, high)


POINTS = [point("cheap", 0.5, 0.1), point("good", 0.8, 1.0), point("bad", 0.4, 0.9), point("dear", 0.8, 2.0)]


def test_the_frontier_holds_who_is_not_beaten_on_both_sides() -> None:
    assert [one.name for one in frontier(POINTS)] == ["cheap", "good"]
    assert {one.name: names for one, names in beaten_by(POINTS)} == {
        "cheap": [], "good": [], "bad": ["cheap"], "dear": ["good"],
    }  # fmt: skip


def test_the_picture_names_every_agent_and_is_told_in_words() -> None:
    chart = pareto_chart(POINTS, "usd", "good")
    assert chart
    for name in ("cheap", "good", "bad", "dear"):
        assert f">{name}</text>" in chart
    assert "good: 80% at $1" in chart
    assert chart.count('class="pt beaten"') == 2
    assert chart.count('class="pt best"') == 1


def test_an_unknown_cost_has_no_place_and_one_point_makes_no_picture() -> None:
    assert pareto_chart([point("a", 0.5, None), point("b", 0.5, 1.0)], "usd", None) is None
    chart = pareto_chart([*POINTS, point("dark", 0.9, None)], "usd", None)
    assert chart
    assert "dark" not in chart


def test_names_are_escaped() -> None:
    chart = pareto_chart([point("<script>", 0.5, 1.0), point("b", 0.5, 2.0)], "usd", None)
    assert chart
    assert "<script" not in chart


AMOUNTS = st.floats(1e-4, 1e5)
SHARES = st.floats(0, 1)


@given(st.lists(st.tuples(SHARES, AMOUNTS), min_size=2, max_size=8))
def test_whatever_the_figures_everything_lies_within_the_picture(figures: list[tuple[float, float]]) -> None:
    points = [point(f"agent {n}", rate, amount, amount / 2, amount * 2) for n, (rate, amount) in enumerate(figures)]
    chart = pareto_chart(points, "usd", None)
    assert chart
    places = re.findall(r' (?:cx|cy|x1|x2|y1|y2)="(-?[\d.]+)%"', chart)
    assert places
    assert all(0 <= float(place) <= 100 for place in places)


@given(st.lists(st.tuples(SHARES, AMOUNTS), min_size=1, max_size=8))
def test_a_dominated_agent_never_changes_the_frontier(figures: list[tuple[float, float]]) -> None:
    points = [point(str(n), rate, amount) for n, (rate, amount) in enumerate(figures)]
    front = frontier(points)
    worse = point("worse", front[0].rate.mean, (front[0].amount or 0) * 2)
    assert frontier([*points, worse]) == front


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=20))
def test_an_axis_has_few_lines_and_all_values_on_it(values: list[float]) -> None:
    for axis in (LogAxis(values), LogAxis(values, SECONDS)):
        assert all(0 <= axis.place(value) <= 100 for value in values)
        assert len(axis.ticks()) <= 5
        assert all(0 <= axis.place(tick) <= 100 for tick in axis.ticks())


def test_two_times_that_are_close_have_one_label_as_two_would_lie_on_each_other() -> None:
    axis = LogAxis([225.0, 234.0], SECONDS)
    assert axis.ticks() == [225.0]
    assert len(LogAxis([160.0, 195.0], SECONDS).ticks()) == 2
