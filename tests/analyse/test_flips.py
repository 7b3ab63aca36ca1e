"""Bounds on flip rates and the rule of the quarantine, against scipy and against what they must not depend on."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from worktrial.analyse.flips import (
    CEILING,
    DOUBT,
    PRIOR,
    Seen,
    chance_to_miss,
    doubt,
    flip_bound,
    is_quarantined,
)

runs_and_failures = st.integers(1, 300).flatmap(lambda runs: st.tuples(st.just(runs), st.integers(0, runs)))


@pytest.mark.parametrize(
    ("runs", "missed", "bound"), [(3, 0.73, 0.63), (5, 0.59, 0.45), (10, 0.35, 0.26), (30, 0.04, 0.095)]
)
def test_clean_runs_prove_and_miss_what_the_table_says(runs: int, missed: float, bound: float) -> None:
    assert chance_to_miss(0.1, runs) == pytest.approx(missed, abs=0.005)
    assert flip_bound(0, runs) == pytest.approx(bound, abs=0.005)
    assert flip_bound(0, runs) == pytest.approx(1 - 0.05 ** (1 / runs))


@given(runs_and_failures)
def test_the_bound_is_that_of_clopper_and_pearson(seen: tuple[int, int]) -> None:
    runs, flips = seen
    exact = stats.binomtest(flips, runs, alternative="less").proportion_ci(0.95, "exact").high
    assert flip_bound(flips, runs) == pytest.approx(exact)


@given(runs_and_failures)
def test_the_doubt_is_the_upper_tail_of_the_posterior(seen: tuple[int, int]) -> None:
    runs, failures = seen
    a, b = PRIOR[0] + failures, PRIOR[1] + runs - failures
    assert doubt(failures, runs) == pytest.approx(stats.beta.sf(CEILING, a, b), abs=1e-9)


@pytest.mark.parametrize(("failures", "runs"), [(1, 10), (2, 30), (5, 40)])
def test_the_posterior_is_prior_times_likelihood(failures: int, runs: int) -> None:
    def density(p: float) -> float:
        return float(stats.beta.pdf(p, *PRIOR) * stats.binom.pmf(failures, runs, p))

    above, below = integrate.quad(density, CEILING, 1)[0], integrate.quad(density, 0, CEILING)[0]
    assert doubt(failures, runs) == pytest.approx(above / (above + below), rel=1e-4)


@given(runs_and_failures)
def test_a_failure_raises_the_doubt_and_a_clean_run_lowers_it(seen: tuple[int, int]) -> None:
    runs, failures = seen
    assert doubt(failures, runs + 1) <= doubt(failures, runs) <= doubt(failures + 1, runs + 1)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms())
def test_the_order_of_runs_does_not_matter(passed: list[bool], chance: object) -> None:
    shuffled = list(passed)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    totals = []
    for order in (passed, shuffled):
        seen = Seen()
        for each in order:
            seen = seen.then(passed=each)
        totals.append(seen)
    assert totals[0] == totals[1] == Seen(len(passed), passed.count(False))


@given(st.integers(0, 1000))
def test_a_test_that_never_failed_counts(runs: int) -> None:
    assert not is_quarantined(0, runs)
    assert doubt(0, runs) < DOUBT


@pytest.mark.parametrize(("failures", "back_after"), [(1, 29), (2, 57), (3, 82)])
def test_clean_runs_bring_a_test_back(failures: int, back_after: int) -> None:
    assert all(is_quarantined(failures, runs) for runs in range(failures, back_after))
    assert not any(is_quarantined(failures, runs) for runs in range(back_after, 300))


@given(runs_and_failures)
def test_a_quarantined_test_has_failed(seen: tuple[int, int]) -> None:
    runs, failures = seen
    assume(is_quarantined(failures, runs))
    assert failures > 0
