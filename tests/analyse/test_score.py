"""The weighted score and how firm its winner is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import optimize, stats

from worktrial.analyse.criteria import CRITERIA, HIGHER_IS_BETTER, Candidate
from worktrial.analyse.score import CONCENTRATION, pareto_set, score, smallest_flip
from worktrial.formats.config import Configuration, CostPerCompleted, ScoreConfig, Thresholds

FIGURES = st.tuples(
    st.integers(0, 20).map(lambda n: n / 20),
    st.integers(1, 40).map(lambda n: n * 60.0),
    st.integers(0, 60).map(lambda n: n / 5),
    st.integers(0, 10).map(lambda n: n / 10),
    st.integers(85, 100).map(lambda n: n / 100),
)
FIELD = st.lists(FIGURES, min_size=1, max_size=5).map(
    lambda rows: [Candidate("abcde"[place], row) for place, row in enumerate(rows)]
)
WEIGHTS = st.lists(st.floats(0.02, 1), min_size=5, max_size=5).map(lambda raw: np.array(raw) / sum(raw))
WORTH = st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5), min_size=2, max_size=4).map(np.array)


def cheap(**changed: float | None) -> Candidate:
    figures = {
        "correctness": 0.6, "p95_latency_s": 300.0, "cost_per_completed_usd": 0.5, "cache_hit_rate": 0.8,
        "api_reliability": 0.99,
    } | changed  # fmt: skip
    return Candidate("cheap", tuple(figures[name] for name in CRITERIA))


STRONG = Candidate("strong", (0.7, 600.0, 4.0, 0.6, 0.99))


def test_the_score_is_the_weighted_mean_of_what_figures_are_worth_between_fixed_ranges() -> None:
    found = score([cheap(), STRONG], ScoreConfig(), Thresholds())
    first = found.ranked[0]
    assert (found.winner, first.name) == ("cheap", "cheap")
    expected = 0.3 * 0.6 + 0.2 * (1800 - 300) / 1740 + 0.2 * 0.95 + 0.15 * 0.8 + 0.15 * 0.9
    assert first.score == pytest.approx(expected)
    assert found.weights == pytest.approx((0.3, 0.2, 0.2, 0.15, 0.15))
    assert found.pareto == ("cheap", "strong")


def test_who_breaks_a_threshold_is_out_whatever_the_score_and_what_is_unknown_is_not_proven() -> None:
    found = score([cheap(), STRONG], ScoreConfig(), Thresholds(min_correctness=0.65, max_p95_latency_s=900))
    assert found.winner == "strong"
    assert [(one.name, one.broken[0].criterion, one.broken[0].value) for one in found.out] == [
        ("cheap", "correctness", 0.6)
    ]
    unknown = score([cheap(cost_per_completed_usd=None)], ScoreConfig(), Thresholds(max_cost_per_completed_usd=1))
    assert unknown.ranked[0].unproven == ("cost_per_completed_usd",)
    nobody = score([cheap()], ScoreConfig(), Thresholds(min_correctness=0.9))
    assert (nobody.winner, nobody.ranked, nobody.winner_share) == (None, (), {})


def test_what_is_unknown_of_one_makes_its_score_a_range_and_of_all_is_left_out() -> None:
    one = score([cheap(cost_per_completed_usd=None), STRONG], ScoreConfig(), Thresholds())
    ranked = {scored.name: scored for scored in one.ranked}
    assert ranked["cheap"].score is None
    assert ranked["cheap"].high - ranked["cheap"].low == pytest.approx(0.2)
    assert (one.winner, one.flip) == (None, None)
    gone = [Candidate(one.name, (*one.figures[:4], None)) for one in (cheap(), STRONG)]
    every = score(gone, ScoreConfig(), Thresholds())
    assert every.left_out == ("api_reliability",)
    assert sum(every.weights) == pytest.approx(1)
    assert (every.weights[4], every.winner) == (0, "cheap")


@settings(max_examples=60)
@given(FIELD, st.data())
def test_a_dominated_agent_never_changes_the_winner(found: list[Candidate], data: st.DataObject) -> None:
    better = data.draw(st.sampled_from(found))
    worse = [
        value - step if higher else value + step
        for value, higher, step in zip(
            better.figures, HIGHER_IS_BETTER, data.draw(st.tuples(*[st.floats(0, 1)] * 5)), strict=True
        )
        if value is not None
    ]
    name = data.draw(st.sampled_from(["0", "zz"]))
    before = score(found, ScoreConfig(), Thresholds())
    after = score([*found, Candidate(name, tuple(worse))], ScoreConfig(), Thresholds())
    if tuple(worse) != better.figures:
        assert after.winner == before.winner
        assert name not in after.pareto


@settings(max_examples=40)
@given(FIELD, st.randoms(use_true_random=False))
def test_the_order_of_agents_changes_nothing(found: list[Candidate], random: object) -> None:
    turned = list(found)
    random.shuffle(turned)  # type: ignore[attr-defined]
    one, other = (score(field, ScoreConfig(), Thresholds(min_correctness=0.2)) for field in (found, turned))
    assert one == other


@settings(max_examples=60)
@given(FIELD)
def test_the_winner_and_the_pareto_set_are_what_their_definitions_say(found: list[Candidate]) -> None:
    result = score(found, ScoreConfig(), Thresholds())
    scores = {one.name: one.low for one in result.ranked}
    assert scores[str(result.winner)] == pytest.approx(max(scores.values()))
    sign = np.where(HIGHER_IS_BETTER, 1.0, -1.0)
    rows = {one.name: sign * np.array(one.figures, dtype=float) for one in found}
    expected = [
        name for name, row in rows.items() if not any(np.all(o >= row) and np.any(o > row) for o in rows.values())
    ]
    assert pareto_set(found) == sorted(expected)
    assert sum(result.winner_share.values()) == pytest.approx(1)


@settings(max_examples=60)
@given(WORTH, WEIGHTS)
def test_the_smallest_flip_is_that_of_the_linear_program(worth: np.ndarray, weights: np.ndarray) -> None:
    winner = int(np.argmax(worth @ weights))
    found = smallest_flip(list("abcd")[: len(worth)], worth, weights, winner)
    least = []
    for row in range(len(worth)):
        behind = (worth[row] - worth[winner]) @ weights < -1e-12
        # One that is nowhere better can be brought level, but never wins.
        if row != winner and not (behind and np.all(worth[row] <= worth[winner])):
            # Variables: weights, then the absolute changes.
            eye = np.eye(5)
            solved = optimize.linprog(
                np.concatenate([np.zeros(5), np.full(5, 0.5)]),
                A_ub=np.vstack(
                    [
                        np.hstack([eye, -eye]),
                        np.hstack([-eye, -eye]),
                        np.concatenate([worth[winner] - worth[row], np.zeros(5)])[None],
                    ]
                ),
                b_ub=np.concatenate([weights, -weights, [0.0]]),
                A_eq=np.concatenate([np.ones(5), np.zeros(5)])[None],
                b_eq=[1.0],
                bounds=(0, 1),
            )
            least += [solved.fun] if solved.success else []
    if found is None:
        assert not least
        return
    assert found.moved == pytest.approx(min(least), abs=1e-6)
    assert sum(found.weights) == pytest.approx(1)
    row = "abcd".index(found.to)
    assert worth[row] @ np.array(found.weights) >= worth[winner] @ np.array(found.weights) - 1e-9


def test_the_winners_share_is_that_of_weights_drawn_from_the_dirichlet_distribution() -> None:
    close = Candidate("close", (0.66, 300.0, 1.7, 0.8, 0.99))
    found = score([cheap(), close], ScoreConfig(), Thresholds())
    # Better by .06 in correctness, worse by .12 in cost: it wins where correctness weighs twice what cost does. The
    # ratio of two parts of a Dirichlet vector is that of independent gammas, a beta in disguise.
    expected = stats.beta(15, 10).sf(2 / 3)
    assert found.winner_share["close"] == pytest.approx(expected, abs=0.015)
    assert CONCENTRATION * found.weights[0] == pytest.approx(15)
    assert found.flip is not None
    assert found.flip.to == "close"


def test_under_noise_the_best_is_counted_over_the_samples() -> None:
    straight, turned = [cheap().figures, STRONG.figures], [STRONG.figures, cheap().figures]
    samples = np.array([straight, straight, straight, turned], dtype=float)
    found = score([cheap(), STRONG], ScoreConfig(), Thresholds(), samples)
    assert found.p_best == {"cheap": 0.75, "strong": 0.25}


def test_one_setting_of_a_criterion_leaves_its_others_as_they_are_and_nonsense_is_refused() -> None:
    given = Configuration.model_validate({"score": {"cost_per_completed_usd": {"floor": 50}}})
    assert given.score.cost_per_completed_usd == CostPerCompleted(weight=0.2, floor=50, target=0)
    with pytest.raises(ValidationError, match="floor and target are the same"):
        CostPerCompleted(floor=1, target=1)
    with pytest.raises(ValidationError, match="all weights are 0"):
        ScoreConfig.model_validate({name: {"weight": 0} for name in CRITERIA})
