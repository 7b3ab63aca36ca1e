"""Percent agreement and Cohen's kappa, with statsmodels as the oracle."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from worktrial.analyse.agreement import agreement, in_words

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=5, max_size=60)


@given(PAIRS)
@settings(max_examples=40, deadline=None)
def test_kappa_and_its_interval_are_those_of_statsmodels(pairs: list[tuple[int, int]]) -> None:
    found = agreement(pairs)
    table = np.zeros((5, 5))
    for one, other in pairs:
        table[one, other] += 1
    assert found.agreed == int(np.trace(table))
    if found.kappa is None or found.low is None or found.high is None:
        assert len({answer for pair in pairs for answer in pair}) == 1
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it tests against zero too, with a deviation that may be none
        expected = cohens_kappa(table)
    assert found.kappa == pytest.approx(expected.kappa, abs=1e-9)
    # The square root of a variance of nothing but rounding is not nothing.
    assert found.low == pytest.approx(max(-1, expected.kappa_low), abs=1e-6) or np.isnan(expected.kappa_low)
    assert found.high == pytest.approx(min(1, expected.kappa_upp), abs=1e-6) or np.isnan(expected.kappa_upp)


@given(PAIRS)
def test_it_does_not_matter_who_is_first(pairs: list[tuple[int, int]]) -> None:
    one, other = agreement(pairs), agreement([(b, a) for a, b in pairs])
    assert one.agreed == other.agreed
    assert one.kappa == pytest.approx(other.kappa)
    assert one.low == pytest.approx(other.low)


def test_agreement_by_chance_counts_for_nothing() -> None:
    found = agreement([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")] * 2)
    assert (found.share, found.kappa) == (0.5, 0)


def test_where_nothing_differs_there_is_no_kappa() -> None:
    assert agreement([("a", "a")] * 5).kappa is None
    assert agreement([("a", "a")] * 5).share == 1
    assert agreement([]).share is None
    assert in_words(None) == "undefined"


def test_a_handful_of_items_has_no_kappa() -> None:
    found = agreement([("a", "b"), ("b", "a"), ("a", "a"), ("b", "b")])
    assert (found.items, found.agreed, found.kappa, found.low) == (4, 2, None, None)


@pytest.mark.parametrize(
    ("kappa", "word"), [(-0.1, "none"), (0.1, "slight"), (0.41, "moderate"), (1.0, "almost perfect")]
)
def test_kappas_have_their_common_names(kappa: float, word: str) -> None:
    assert in_words(kappa) == word
