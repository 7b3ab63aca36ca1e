"""Figures as words."""

from __future__ import annotations

import pytest

from worktrial.analyse import words


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.997, ">99%"), (1, "100%"), (None, "unknown")]
)
def test_none_and_all_are_never_rounded_to(rate: float | None, text: str) -> None:
    assert words.percent(rate) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [(None, "unknown"), (0, "$0"), (0.00002, "<$0.0001"), (0.0042, "$0.0042"), (1.5, "$1.50"), (12345.6, "$12,346")],
)
def test_an_unknown_amount_is_unknown_and_a_small_one_is_not_nothing(usd: float | None, text: str) -> None:
    assert words.money(usd) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0, "0 s"), (2.34, "2.3 s"), (9.97, "10 s"), (99.6, "1 min 40 s"), (120, "2 min"),
     (1800, "30 min"), (7200, "2 h"), (9000, "2 h 30 min")],
)  # fmt: skip
def test_time_is_given_in_the_units_that_matter(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0001, "p < .001"), (0.0123, "p = .012"), (0.48, "p = .48"), (0.999, "p = 1")]
)
def test_p_values_have_no_leading_zero(p: float, text: str) -> None:
    assert words.p_value(p) == text


def test_differences_carry_their_sign() -> None:
    assert [words.points(value) for value in (0.143, -0.08, 0.001, -0.001)] == ["+14", "\N{MINUS SIGN}8", "0", "0"]


def test_long_lists_are_cut_short() -> None:
    assert words.listing(["a"]) == "a"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.listing([*"abcdefg"]) == "a, b, c, d and 3 more"
    assert (words.count(1, "task"), words.count(1200, "task")) == ("1 task", "1,200 tasks")
    assert [words.amount(value) for value in (940, 12_345, 999_600, None)] == ["940", "12.3k", "1M", "unknown"]
