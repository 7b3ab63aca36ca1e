"""How unlike a sample is to its whole, with scipy as the oracle."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from worktrial.analyse.likeness import FEW, of_categories, of_figures

WHOLE = st.lists(st.integers(0, 12), min_size=20, max_size=80)


@settings(max_examples=25, deadline=None)
@given(WHOLE, st.randoms(use_true_random=False), st.integers(FEW, 20))
def test_distances_are_those_of_scipy_and_of_the_definition(whole: list[int], luck: random.Random, size: int) -> None:
    sample = luck.sample(whole, size)
    figures, categories = of_figures(sample, whole), of_categories(sample, whole)
    assert figures
    assert categories
    assert figures.value == pytest.approx(ks_2samp(sample, whole).statistic)
    shares = [(sample.count(value) / size, whole.count(value) / len(whole)) for value in set(whole)]
    assert categories.value == pytest.approx(sum(abs(one - other) for one, other in shares) / 2)
    for found in (figures, categories):
        assert 0 <= found.usual <= found.unusual <= 1


def test_all_of_it_is_not_unlike_itself() -> None:
    whole = ["a"] * 12 + ["b"] * 5
    found = of_categories(whole, whole)
    assert found
    assert (found.value, found.usual, found.unusual, found.by_chance) == (0, 0, 0, True)


def test_about_one_random_draw_in_twenty_is_called_unlike() -> None:
    luck = random.Random(5)
    whole = [round(luck.lognormvariate(3, 1)) for _ in range(300)]
    draws = [of_figures(luck.sample(whole, 20), whole) for _ in range(60)]
    assert sum(not found.by_chance for found in draws if found) <= 9
    biased = of_figures(sorted(whole)[-20:], whole)
    assert biased
    assert not biased.by_chance


def test_a_handful_has_no_distance_and_a_sample_from_elsewhere_is_an_error() -> None:
    assert of_figures([1.0] * (FEW - 1), [1.0] * 50) is None
    with pytest.raises(ValueError, match="more than the whole"):
        of_categories(["c"] * 10, ["a"] * 50)
