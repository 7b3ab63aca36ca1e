"""Families of comparisons, and groups of agents that are not told apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from worktrial.analyse.multiple import benjamini_hochberg, compare_all, holm, tie_groups

NAMES = ["a", "b", "c", "d", "e", "f"]
PAIRS = [frozenset(pair) for pair in combinations(NAMES, 2)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_agree_with_statsmodels(p: list[float]) -> None:
    values = np.array(p)
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])
    assert benjamini_hochberg(values) == pytest.approx(multipletests(values, method="fdr_bh")[1])
    assert len(holm(np.zeros(0))) == 0


@given(st.sets(st.sampled_from(PAIRS)))
def test_tie_groups_are_all_largest_sets_without_a_pair_that_is_told_apart(apart: set[frozenset[str]]) -> None:
    free = [
        frozenset(some)
        for size in range(1, len(NAMES) + 1)
        for some in combinations(NAMES, size)
        if not any(pair <= frozenset(some) for pair in apart)
    ]
    largest = {some for some in free if not any(some < other for other in free)}
    assert {frozenset(group) for group in tie_groups(NAMES, apart)} == largest


@settings(max_examples=4)
@given(st.permutations(range(24)), st.permutations(["a", "b", "c"]))
def test_neither_the_order_of_tasks_nor_that_of_agents_changes_anything(order: list[int], names: list[str]) -> None:
    random = np.random.default_rng(3)
    rates = {"a": 0.2, "b": 0.3, "c": 0.8}
    outcomes = {name: (random.random((24, 3)) < rate).astype(float) for name, rate in rates.items()}
    turned = {name: outcomes[name][order] for name in names}
    straight, shuffled = compare_all(outcomes), compare_all(turned)
    assert straight.groups == shuffled.groups == (("c",), ("b", "a"))
    for one, other in zip(straight.pairs, shuffled.pairs, strict=True):
        assert (one.first, one.second) == (other.first, other.second)
        assert one.p_adjusted == pytest.approx(other.p_adjusted)
        assert one.paired.low == pytest.approx(other.paired.low)


def test_an_agent_without_a_grade_is_left_out() -> None:
    found = compare_all({"a": np.ones((4, 1)), "b": np.full((4, 1), np.nan)})
    assert (found.pairs, found.groups) == ((), (("a",),))
    assert compare_all({}).groups == ()
