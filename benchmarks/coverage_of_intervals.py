"""How often the 95% intervals hold the truth, how often the paired test raises a false alarm or finds what is there.

Intervals of one rate from one trial a task are reckoned exactly, over every number of solved tasks; all else is
simulated. The band is .93 to .98. Marks: `<` below it, `>` above it, `u` outside, but no interval whatever could be
inside: with whole numbers of solved tasks no range of them has such a probability. A simulated figure is marked only
when it is outside by more than two standard errors.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from worktrial.analyse.beta_binomial import belief
from worktrial.analyse.cost import ratio_interval
from worktrial.analyse.intervals import solve_rate, wilson
from worktrial.analyse.means import mean_interval
from worktrial.analyse.paired import ALPHA, compare, difference_interval
from worktrial.analyse.passk import pass_at_k, pass_hat_k
from worktrial.analyse.power import Spread, detectable_difference
from worktrial.analyse.quantiles import quantile, values_needed
from worktrial.analyse.ranking import p_best_first

Floats = NDArray[np.float64]
Ends = tuple[float, float]
LOW, HIGH = 0.93, 0.98
TASKS = (10, 20, 50, 200)
RATES = [round(float(rate), 2) for rate in np.arange(0.05, 0.951, 0.05)]
FEW_RATES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
ALIKE = 2.0
"""Rates of tasks are Beta(2 p, 2 (1 - p)): the intra-class correlation of trials is 1/3."""


class Table:
    """Prints coverages and counts those outside of the band."""

    def __init__(self) -> None:
        self.cells = self.below = self.above = self.unreachable = 0
        self.worst = 1.0

    def row(self, name: str, found: Iterable[tuple[float, bool, float]]) -> None:
        """Print one row of (coverage, reachable, standard error)."""
        words = []
        for coverage, reachable, error in found:
            mark = "<" if coverage < LOW - 2 * error else ">" if coverage > HIGH + 2 * error else " "
            if mark != " " and not reachable:
                mark = "u"
            self.cells += 1
            self.below += mark == "<"
            self.above += mark == ">"
            self.unreachable += mark == "u"
            if reachable:
                self.worst = min(self.worst, coverage)
            words.append(f"{coverage:.3f}"[1 if coverage < 1 else 0 :].ljust(4)[:4] + mark)
        print(f"{name:<34}" + " ".join(words), flush=True)


def head(title: str, rates: Iterable[float]) -> None:
    print(f"\n{title}\n{'':<34}" + " ".join(f"{rate:<5.2f}"[1:] + " " for rate in rates), flush=True)


def reachable(tasks: int, rate: float) -> bool:
    """Whether any range of numbers of solved tasks has a probability within the band."""
    below = np.concatenate([[0.0], np.cumsum(stats.binom.pmf(np.arange(tasks + 1), tasks, rate))])
    ranges = below[None, :] - below[:, None]
    return bool(np.any((ranges >= LOW) & (ranges <= HIGH)))


def one_trial(table: Table) -> None:
    """Exact coverage of one rate by one trial a task."""

    def outcomes(solved: int, tasks: int) -> Floats:
        return np.repeat([1.0, 0.0], [solved, tasks - solved])[:, None]

    def shown(solved: int, tasks: int) -> Ends:
        rate = solve_rate(outcomes(solved, tasks))
        return (rate.low, rate.high) if rate else (0.0, 1.0)

    def believed(solved: int, tasks: int) -> Ends:
        found = belief(outcomes(solved, tasks))
        return (found.low, found.high) if found else (0.0, 1.0)

    methods: dict[str, Callable[[int, int], Ends]] = {
        "Wilson": wilson,
        "solve_rate (Wilson, effective size)": shown,
        "belief (Beta-Binomial)": believed,
    }
    head("One rate, one trial a task (exact)", RATES)
    for name, method in methods.items():
        for tasks in TASKS:
            ends = np.array([method(solved, tasks) for solved in range(tasks + 1)])
            chances = [stats.binom.pmf(np.arange(tasks + 1), tasks, rate) for rate in RATES]
            covered = [
                float(chance[(ends[:, 0] <= rate) & (rate <= ends[:, 1])].sum())
                for rate, chance in zip(RATES, chances, strict=True)
            ]
            table.row(
                f"{name[:26]} n={tasks}",
                [(cover, reachable(tasks, rate), 0.0) for cover, rate in zip(covered, RATES, strict=True)],
            )


def drawn(random: np.random.Generator, rate: float, shape: tuple[int, int], trials: int) -> Floats:
    """Return numbers of solved trials, shape (repetitions, tasks)."""
    chance = random.beta(rate * ALIKE, (1 - rate) * ALIKE, shape)
    return random.binomial(trials, chance).astype(np.float64)


def unpacked(solved: tuple[float, ...], trials: int) -> Floats:
    """Return outcomes, shape (tasks, trials), with so many solved of each task."""
    return (np.arange(trials) < np.array(solved)[:, None]).astype(np.float64)


def simulated(table: Table, repetitions: int) -> None:
    """Coverage of one rate by three trials a task, and of pass@2 and pass^2."""
    trials = 3

    @cache
    def shown(solved: tuple[float, ...]) -> Ends:
        rate = solve_rate(unpacked(solved, trials))
        return (rate.low, rate.high) if rate else (0.0, 1.0)

    @cache
    def believed(solved: tuple[float, ...]) -> Ends:
        found = belief(unpacked(solved, trials))
        return (found.low, found.high) if found else (0.0, 1.0)

    @cache
    def any_of_two(solved: tuple[float, ...]) -> Ends:
        return mean_interval(pass_at_k(unpacked(solved, trials), 2))

    @cache
    def both_of_two(solved: tuple[float, ...]) -> Ends:
        return mean_interval(pass_hat_k(unpacked(solved, trials), 2))

    def both(rate: float) -> float:  # E p^2 of the beta distribution
        return rate * (rate * ALIKE + 1) / (ALIKE + 1)

    methods: dict[str, tuple[Callable[[tuple[float, ...]], Ends], Callable[[float], float], int]] = {
        "solve_rate": (shown, lambda rate: rate, repetitions),
        "belief (Beta-Binomial)": (believed, lambda rate: rate, repetitions // 4),
        "pass@2": (any_of_two, lambda rate: 2 * rate - both(rate), repetitions // 4),
        "pass^2": (both_of_two, both, repetitions // 4),
    }
    head("One rate, three trials a task (simulated)", FEW_RATES)
    for name, (method, truth, times) in methods.items():
        for tasks in TASKS:
            random = np.random.default_rng(tasks)
            found = []
            for rate in FEW_RATES:
                runs = np.sort(drawn(random, rate, (times, tasks), trials), axis=1)
                found.append(share(truth(rate), [method(tuple(run)) for run in runs.tolist()]))
            table.row(f"{name} n={tasks}", found)


def share(truth: float, ends: list[Ends]) -> tuple[float, bool, float]:
    cover = float(np.mean([low <= truth <= high for low, high in ends]))
    return cover, True, float(np.sqrt(0.95 * 0.05 / len(ends)))


def paired(table: Table, repetitions: int) -> None:
    """Coverage of the difference of two agents, the second one's rate 10 points lower."""
    rates = [rate for rate in FEW_RATES if rate > 0.1]
    head("Difference of two agents, rates p and p - .10 (simulated)", rates)
    ends = lru_cache(maxsize=None)(lambda values: difference_interval(np.array(values)))
    for trials in (1, 3):
        for tasks in TASKS:
            random = np.random.default_rng(tasks + trials)
            times = repetitions if tasks < 50 else repetitions // 4
            found = []
            for rate in rates:
                shape = (times, tasks)
                ease = random.random(shape)
                # The same quantile of either's distribution: what is hard for one is hard for the other.
                chances = [stats.beta.ppf(ease, r * ALIKE, (1 - r) * ALIKE) for r in (rate, rate - 0.1)]
                runs = [random.binomial(trials, chance) / trials for chance in chances]
                differences = np.sort(np.round(runs[0] - runs[1], 12), axis=1)
                found.append(share(0.1, [ends(tuple(run)) for run in differences.tolist()]))
            table.row(f"difference K={trials} n={tasks}", found)


def grouped(table: Table, repetitions: int) -> None:
    """Coverage of a rate where tasks come in groups of unlike size that are alike within."""
    head("One rate, tasks in groups of 1 to 9 (simulated)", FEW_RATES)
    for groups in (10, 20, 50):
        random = np.random.default_rng(groups)
        found = []
        for rate in FEW_RATES:
            ends = []
            for _ in range(repetitions // 2):
                sizes = random.integers(1, 10, groups)
                codes = np.repeat(np.arange(groups), sizes)
                chance = random.beta(rate * ALIKE, (1 - rate) * ALIKE, groups)[codes]
                ends.append(mean_interval((random.random(len(codes)) < chance).astype(float), groups=codes))
            found.append(share(rate, ends))
        table.row(f"clustered, {groups} groups", found)


def costs(table: Table, repetitions: int) -> None:
    """Coverage of the cost per completed task; solved trials take less, costs are skewed."""
    trials = 3
    head("Cost per completed task, three trials a task (simulated)", FEW_RATES)
    for tasks in TASKS:
        random = np.random.default_rng(tasks)
        times = repetitions // 2 if tasks < 50 else repetitions // 10
        found = []
        for rate in FEW_RATES:
            solved = drawn(random, rate, (times, tasks), trials)
            spent = random.gamma(1.5, 1 / 1.5, (times, tasks, trials)).sum(axis=2) * (1.3 - 0.6 * solved / trials)
            truth = (1.3 - 0.6 * rate) / rate
            found.append(
                share(truth, [ratio_interval(c, s, np.full(tasks, 3.0)) for c, s in zip(spent, solved, strict=True)])
            )
        table.row(f"cost per completed task n={tasks}", found)


def quantiles(table: Table) -> None:
    """Exact coverage of distribution-free intervals, whatever the distribution."""
    print("\nQuantiles (exact; any continuous distribution)")
    for q in (0.5, 0.95):
        for count in (*TASKS, 72, 100, 1000):
            if count < values_needed(q):
                print(f"P{100 * q:.0f} n={count}: no interval, it takes {values_needed(q)} trials")
                continue
            found = quantile(np.arange(1.0, count + 1), q)
            if found is None or found.low is None or found.high is None:
                raise AssertionError("values enough, and no interval")
            below = stats.binom.cdf([found.low - 1, found.high - 1], count, q)
            cover = float(below[1] - below[0])
            table.row(f"P{100 * q:.0f} n={count}", [(cover, True, 0.0)])


def false_alarms(repetitions: int) -> float:
    """Return the greatest share of runs in which equal agents are told apart."""
    print("\nFalse alarms of the paired comparison, both agents alike (at most .055)")
    worst = 0.0
    for trials in (1, 3):
        for tasks in TASKS:
            random = np.random.default_rng(tasks * trials)
            times = repetitions if trials == 1 or tasks < 20 else repetitions // 4
            shares = []
            for rate in (0.2, 0.5, 0.8):
                chance = random.beta(rate * ALIKE, (1 - rate) * ALIKE, (times, tasks, 1))
                runs = [(random.random((times, tasks, trials)) < chance).astype(float) for _ in range(2)]
                found = [compare(first, second) for first, second in zip(*runs, strict=True)]
                shares.append(float(np.mean([one is not None and one.established for one in found])))
            worst = max(worst, *shares)
            print(f"K={trials} n={tasks:<4} " + " ".join(f"{share:.3f}" for share in shares) + f"  ({times} runs)")
            sys.stdout.flush()
    return worst


def power(repetitions: int) -> list[float]:
    """Return how often a true difference of the detectable size is established, by tasks and trials."""
    print("\nPower at the smallest detectable difference (.80 +- .04)")
    found = []
    for tasks, trials in ((20, 3), (50, 1), (50, 3), (100, 1), (100, 3), (200, 1), (200, 3)):
        random = np.random.default_rng(tasks + trials)
        likes = 0.10  # one agent's own likings: the difference varies by 2 * .10^2 from task to task
        shown = 0.1
        for _ in range(20):  # the spread depends on the rates, and they on the difference
            chances = _chances(random, 0.5, shown, likes, (400, tasks))
            within = float(np.mean([np.mean(c * (1 - c)) for c in chances]))
            between = float(np.var(chances[0] - chances[1]))
            shown = detectable_difference(tasks, trials, Spread(between, within))
        times = repetitions // 2
        chances = _chances(random, 0.5, shown, likes, (times, tasks))
        runs = [(random.random((times, tasks, trials)) < c[:, :, None]).astype(float) for c in chances]
        seen = [compare(first, second) for first, second in zip(*runs, strict=True)]
        hit = float(np.mean([one is not None and one.established for one in seen]))
        found.append(hit)
        print(f"K={trials} n={tasks:<4} difference {100 * shown:4.1f} points: found in {hit:.3f}", flush=True)
    return found


def _chances(
    random: np.random.Generator, middle: float, apart: float, likes: float, shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return two agents' rates by task: a difficulty they share, and each one's own likings; none is cut off."""
    ease = random.uniform(-0.1, 0.1, shape)
    own = [random.uniform(-1, 1, shape) * likes * np.sqrt(3) for _ in range(2)]
    return (
        np.clip(middle + apart / 2 + ease + own[0], 0, 1),
        np.clip(middle - apart / 2 + ease + own[1], 0, 1),
    )


def best_first(repetitions: int) -> tuple[float, float]:
    """Return P(best ranked first) of the published table, by trials drawn one by one and by the formula."""
    rates = np.array([0.532, 0.660, 0.714, 0.722])
    tasks, trials = 100, 3
    random = np.random.default_rng(5)
    first = 0
    # Rates of a task are Beta(r, 1 - r) for an agent of rate r: a trial then varies by r (1 - r) / 2, about .105. They
    # are joined by a normal copula of .9: what is hard for one is hard for all, and the difference of two agents'
    # rates varies by about .02 from task to task. Both are near `worktrial.analyse.power.TYPICAL`.
    joined = np.full((4, 4), 0.9) + 0.1 * np.eye(4)
    for _ in range(repetitions // 10):
        ease = stats.norm.cdf(random.multivariate_normal(np.zeros(4), joined, (20, tasks)))
        chance = stats.beta.ppf(ease, rates, 1 - rates)
        seen = random.binomial(trials, chance).mean(axis=1)
        first += int(np.sum(np.argmax(seen + random.uniform(0, 1e-9, seen.shape), axis=1) == 3))
    return first / (repetitions // 10 * 20), p_best_first(rates.tolist(), tasks, trials)


def main() -> None:
    """Print the tables; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    times = parser.parse_args().repetitions
    table, started = Table(), time.monotonic()
    sections: list[Callable[[], Any]] = [
        lambda: one_trial(table),
        lambda: quantiles(table),
        lambda: simulated(table, times),
        lambda: paired(table, times),
        lambda: grouped(table, times),
        lambda: costs(table, times),
    ]
    for number, section in enumerate(sections, 1):
        section()
        print(f"{number} of {len(sections) + 3} parts, {time.monotonic() - started:.0f} s", file=sys.stderr)
    alarms, found = false_alarms(times), power(times)
    drawn_first, by_formula = best_first(times)
    print(
        f"\nP(best ranked first) at 53.2/66.0/71.4/72.2%, 100 tasks x 3: {drawn_first:.3f}, by formula {by_formula:.3f}"
    )
    print(
        json.dumps(
            {
                "cells": table.cells,
                "below": table.below,
                "above": table.above,
                "unreachable": table.unreachable,
                "worst": round(table.worst, 4),
                "false_alarms": round(alarms, 4),
                "power": [round(hit, 3) for hit in found],
                "p_best_first": [round(drawn_first, 3), round(by_formula, 3)],
                "alpha": ALPHA,
            }
        )
    )


if __name__ == "__main__":
    main()
