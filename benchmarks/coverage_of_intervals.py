"""How often the 95% intervals hold the truth, how often the paired test raises a false alarm or finds what is there.

Where outcomes are few enough coverage is reckoned exactly, over all of them; all else is simulated, and a simulated
figure is marked only when it is outside by more than two standard errors. The band is .93 to .98. Marks: `<` below it,
`>` above it; `u` and `c` where no interval could be inside (see `benchmarks.coverage_table.out_of_reach`).

The truths: rates of tasks are Beta(a p, a (1 - p)); a is infinite (tasks alike), 2 (trials of a task correlate by 1/3)
or 1/2 (by 2/3, nearly all or nothing).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from scipy import optimize, stats

from benchmarks.coverage_table import (
    Cell,
    Ends,
    Floats,
    Table,
    counts,
    ends_of,
    head,
    held,
    multinomial,
    nearest,
    out_of_reach,
    share,
)
from worktrial.analyse.beta_binomial import belief
from worktrial.analyse.estimate import Spent, cost_ratio, ratio_interval
from worktrial.analyse.intervals import solve_rate, task_means
from worktrial.analyse.means import mean_interval
from worktrial.analyse.paired import ALPHA, compare, difference_interval, flip_size
from worktrial.analyse.passk import pass_at_k
from worktrial.analyse.power import Spread, detectable_difference
from worktrial.analyse.quantiles import quantile, values_needed
from worktrial.analyse.ranking import p_best_first

TASKS = (10, 20, 50, 200)
OTHER_TASKS = (13, 35, 100)
"""Sizes that no method was chosen by."""
RATES = [round(float(rate), 2) for rate in np.arange(0.05, 0.951, 0.05)]
FEW_RATES = [0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95]
ALIKE = {"tasks alike": np.inf, "correlated 1/3": 2.0, "correlated 2/3": 0.5}
TRIALS = 3


def shown(outcomes: Floats) -> Ends:
    """Return the interval of tables and charts."""
    rate = solve_rate(outcomes)
    return (rate.low, rate.high) if rate else (0.0, 1.0)


def believed(outcomes: Floats) -> Ends:
    found = belief(outcomes)
    return (found.low, found.high) if found else (0.0, 1.0)


def one_trial(table: Table) -> None:
    """Exact coverage of one rate by one trial a task."""
    random = np.random.default_rng(1)
    others = sorted(round(float(rate), 3) for rate in random.uniform(0.02, 0.98, len(RATES)))
    for title, sizes, rates in (("", TASKS, RATES), (", other sizes and random rates", OTHER_TASKS, others)):
        head(f"One rate, one trial a task{title} (exact)", rates)
        for name, method in {"rate": shown, "belief": believed}.items():
            for tasks in sizes:
                ends = ends_of(counts(tasks, 2), np.array([[0.0], [1.0]]), method)
                chances = [multinomial(counts(tasks, 2), np.array([1 - rate, rate])) for rate in rates]
                cells = [
                    Cell(held(rate, ends, chance).coverage, mark=out_of_reach(tasks, rate))
                    for rate, chance in zip(rates, chances, strict=True)
                ]
                table.row(f"{name} K=1 n={tasks}", cells, rates)
                if name == "rate":
                    _explain(tasks, rates, cells)


def _explain(tasks: int, rates: list[float], cells: list[Cell]) -> None:
    for rate, cell in zip(rates, cells, strict=True):
        if cell.mark == "u":
            below, above = nearest(tasks, rate)
            why = (
                f"no range of solved tasks has a coverage within the band: the nearest are {below:.4f} and {above:.4f}"
            )
        else:
            why = "none within the band that Clopper and Pearson's interval allows"
        if cell.mark:
            print(f"    n={tasks} rate {rate:.3f}: {why}; ours {cell.coverage:.4f}")


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
            table.row(f"P{100 * q:.0f} n={count}", [Cell(float(below[1] - below[0]))], [q])


def solved_of(trials: int, rate: float, alike: float) -> Floats:
    """Return the probabilities of 0 .. `trials` solved trials of a task, shape (trials + 1,)."""
    solved = np.arange(trials + 1)
    if np.isinf(alike):
        return np.asarray(stats.binom.pmf(solved, trials, rate))
    return np.asarray(stats.betabinom.pmf(solved, trials, rate * alike, (1 - rate) * alike))


def three_trials(table: Table, repetitions: int) -> None:
    """Coverage of one rate by three trials a task, and of pass@2, whose mirror image pass^2 is."""
    kinds = (np.arange(TRIALS) < np.arange(TRIALS + 1)[:, None]).astype(np.float64)
    methods: dict[str, tuple[Callable[[Floats], Ends], Callable[[float, float], float], int]] = {
        "rate": (shown, lambda rate, _: rate, 50),
        "pass@2": (lambda some: mean_interval(pass_at_k(some, 2)), _rate_of_pass_at_2, 50),
        "belief": (believed, lambda rate, _: rate, 20),
    }
    head("Three trials a task (exact up to n=50, of beliefs 20; else simulated)", FEW_RATES)
    for name, (method, rate_of, most) in methods.items():
        for tasks in (10, 13, 20, 50, 200):
            ways = counts(tasks, TRIALS + 1) if tasks <= most else None
            ends = None if ways is None else ends_of(ways, kinds, method)
            for words, alike in ALIKE.items():
                cells = []
                for rate in FEW_RATES:
                    chance = solved_of(TRIALS, rate_of(rate, alike), alike)
                    if ways is not None and ends is not None:
                        cells.append(held(rate, ends, multinomial(ways, chance)))
                        continue
                    times = repetitions // 8 if method is believed else repetitions
                    drawn = np.random.default_rng(tasks).multinomial(tasks, chance, times)
                    cells.append(share(rate, [tuple(e) for e in ends_of(drawn, kinds, method).tolist()]))
                table.row(f"{name} K=3 n={tasks}, {words}", cells, FEW_RATES)


def _rate_of_pass_at_2(wanted: float, alike: float) -> float:
    """Return the solve rate of which the pass@2 is `wanted`."""
    return float(optimize.brentq(lambda rate: 1 - solved_of(2, rate, alike)[0] - wanted, 1e-6, 1 - 1e-6))


def chances_of(ease: Floats, rate: float, alike: float) -> Floats:
    """Return rates of tasks at quantiles `ease` of their distribution: what is hard for one agent is for another."""
    return np.full(ease.shape, rate) if np.isinf(alike) else stats.beta.ppf(ease, rate * alike, (1 - rate) * alike)


def paired(table: Table, repetitions: int) -> None:
    """Coverage of the difference of two agents, the second one's rate 10 points lower."""
    rates = [rate for rate in FEW_RATES if rate > 0.1]
    ease = (np.arange(20_000) + 0.5) / 20_000
    head("Difference of two agents, rates p and p - .10 (exact up to n=20 at one trial; else simulated)", rates)
    for trials in (1, 3):
        flip = trials**-0.5
        interval = cache(lambda values, flip=flip: difference_interval(np.array(values), flip))
        sizes = np.arange(-trials, trials + 1) / trials
        for tasks in (10, 13, 20, 50, 200):
            exact = trials == 1 and tasks <= 20
            ways = counts(tasks, len(sizes)) if exact else None
            ends = None if ways is None else ends_of(ways, sizes, partial(difference_interval, flip=flip))
            for words, alike in ALIKE.items():
                random = np.random.default_rng(tasks + trials)
                cells = []
                for rate in rates:
                    solved = [_by_ease(trials, chances_of(ease, one, alike)) for one in (rate, rate - 0.1)]
                    joint = (solved[0][:, :, None] * solved[1][:, None, :]).mean(axis=0)
                    chance = np.array([np.trace(joint, -step) for step in range(-trials, trials + 1)])
                    if ways is not None and ends is not None:
                        cells.append(held(0.1, ends, multinomial(ways, chance)))
                        continue
                    times = repetitions if tasks < 50 else repetitions // 8  # a bootstrap takes its time
                    drawn = random.multinomial(tasks, chance / chance.sum(), times)
                    cells.append(share(0.1, [interval(tuple(np.repeat(sizes, way))) for way in drawn]))
                table.row(f"difference K={trials} n={tasks}, {words}", cells, rates)


def _by_ease(trials: int, chance: Floats) -> Floats:
    """Return the probabilities of 0 .. `trials` solved at each chance, shape (chances, trials + 1)."""
    return np.asarray(stats.binom.pmf(np.arange(trials + 1), trials, chance[:, None]))


def grouped(table: Table, repetitions: int) -> None:
    """Coverage of a rate where tasks come in groups of unlike size that are alike within."""
    head("One rate, tasks in groups of 1 to 9 (simulated)", FEW_RATES)
    for groups in (10, 20, 50):
        for words, alike in ALIKE.items():
            random = np.random.default_rng(groups)
            cells = []
            for rate in FEW_RATES:
                ends = []
                for _ in range(repetitions // 2):
                    codes = np.repeat(np.arange(groups), random.integers(1, 10, groups))
                    chance = chances_of(random.random(groups), rate, alike)[codes]
                    ends.append(mean_interval((random.random(len(codes)) < chance).astype(float), groups=codes))
                cells.append(share(rate, ends))
            table.row(f"{groups} groups, {words}", cells, FEW_RATES)


def costs(table: Table, repetitions: int) -> None:
    """Coverage of the cost per completed task, and of two agents' by each other; solved trials take less."""
    head("Cost per completed task, three trials a task (simulated)", FEW_RATES)
    for tasks in (10, 13, 20, 50, 200):
        for words, alike in ALIKE.items():
            random = np.random.default_rng(tasks)
            cells = []
            for rate in FEW_RATES:
                spent = [_spent(random, chances_of(random.random(tasks), rate, alike)) for _ in range(repetitions // 2)]
                ends = [ratio_interval(one.cost, one.completed, one.tries) for one in spent]
                cells.append(share((1.3 - 0.6 * rate) / rate, ends))
            table.row(f"cost n={tasks}, {words}", cells, FEW_RATES)
    rates = [rate for rate in FEW_RATES if rate > 0.1]
    head("One agent's by that of another that solves 10 points less (simulated)", rates)
    for tasks in (10, 13, 20, 50, 200):
        random = np.random.default_rng(tasks)
        cells = []
        for rate in rates:
            ends = []
            for _ in range(repetitions // 2):
                ease = random.random(tasks)
                first, second = (_spent(random, chances_of(ease, one, 2.0)) for one in (rate, rate - 0.1))
                found = cost_ratio(first, second)
                ends.append((found.low, found.high) if found else (0.0, np.inf))
            each = [(1.3 - 0.6 * one) / one for one in (rate, rate - 0.1)]
            cells.append(share(each[1] / each[0], ends))
        table.row(f"cost ratio n={tasks}, correlated 1/3", cells, rates)


def _spent(random: np.random.Generator, chance: Floats) -> Spent:
    solved = random.binomial(TRIALS, chance).astype(np.float64)
    cost = random.gamma(1.5, 1 / 1.5, (len(chance), TRIALS)).sum(axis=1) * (1.3 - 0.6 * solved / TRIALS)
    return Spent(cost, solved, np.full(len(chance), float(TRIALS)))


def told_apart(first: Floats, second: Floats) -> bool:
    """Return `compare(first, second).established`, without interval and test where they are sure to deny it."""
    differences = task_means(first) - task_means(second)
    # Of fewer than 1.5 standard errors from zero the test has a p-value of .1 or more.
    if abs(differences.mean()) < 1.5 * differences.std() / len(differences) ** 0.5:
        return False
    low, high = difference_interval(differences, flip_size(first, second))
    if low <= 0 <= high:
        return False
    found = compare(first, second)
    return found is not None and found.established


def false_alarms(repetitions: int) -> float:
    """Return the greatest share of runs in which agents of one rate are told apart."""
    print("\nFalse alarms of the paired comparison, rates .2, .5, .8 (at most .055)")
    worst = 0.0
    for words, own in (("the same on every task", 0.0), ("each with its own likings", 0.5)):
        for trials in (1, 3):
            for tasks in TASKS:
                random = np.random.default_rng(tasks * trials)
                shares = []
                for rate in (0.2, 0.5, 0.8):
                    alarms = []
                    for _ in range(repetitions):
                        ease = random.standard_normal(tasks)
                        chances = [
                            chances_of(
                                stats.norm.cdf(own * random.standard_normal(tasks) + (1 - own**2) ** 0.5 * ease),
                                rate,
                                2.0,
                            )
                            for _ in range(2)
                        ]
                        runs = [(random.random((tasks, trials)) < one[:, None]).astype(float) for one in chances]
                        alarms.append(told_apart(*runs))
                    shares.append(float(np.mean(alarms)))
                worst = max(worst, *shares)
                figures = " ".join(f"{share:.3f}" for share in shares)
                print(f"K={trials} n={tasks:<4} {figures}  {words} ({repetitions} runs)", flush=True)
    return worst


def power(repetitions: int) -> list[float]:
    """Return how often a true difference of the detectable size is established, by likings, tasks and trials."""
    print("\nPower at the smallest detectable difference (.80 +- .04)")
    found = []
    # An agent's own likings: the difference varies by 2 likes² from task to task.
    for likes in (0.0, 0.1, 0.2):
        for tasks, trials in ((20, 1), (20, 3), (50, 1), (50, 3), (100, 3), (200, 1), (200, 3)):
            random = np.random.default_rng(tasks + trials)
            shown_at = 0.1
            for _ in range(20):  # the spread depends on the rates, and they on the difference
                chances = _chances(random, 0.5, shown_at, likes, (400, tasks))
                within = float(np.mean([np.mean(c * (1 - c)) for c in chances]))
                between = float(np.var(chances[0] - chances[1]))
                shown_at = detectable_difference(tasks, trials, Spread(between, within))
            chances = _chances(random, 0.5, shown_at, likes, (repetitions, tasks))
            runs = [(random.random((repetitions, tasks, trials)) < c[:, :, None]).astype(float) for c in chances]
            hit = float(np.mean([told_apart(first, second) for first, second in zip(*runs, strict=True)]))
            found.append(hit)
            print(
                f"K={trials} n={tasks:<4} own likings {likes:.1f}, difference {100 * shown_at:4.1f} points: "
                f"found in {hit:.3f}",
                flush=True,
            )
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
        lambda: three_trials(table, times),
        lambda: paired(table, times),
        lambda: grouped(table, times),
        lambda: costs(table, times),
    ]
    for number, section in enumerate(sections, 1):
        section()
        print(f"{number} of {len(sections) + 3} parts, {time.monotonic() - started:.0f} s", file=sys.stderr)
    print("\nOutside of the band, although some interval could be inside:")
    print("\n".join(f"  {line}" for line in table.outside) or "  none")
    alarms = false_alarms(times // 2)
    print(f"{len(sections) + 1} of {len(sections) + 3} parts, {time.monotonic() - started:.0f} s", file=sys.stderr)
    found = power(times // 8)
    drawn_first, by_formula = best_first(times)
    print(
        f"\nP(best ranked first) at 53.2/66.0/71.4/72.2%, 100 tasks x 3: {drawn_first:.3f}, by formula {by_formula:.3f}"
    )
    figures = {
        **{{"u": "impossible", "c": "impossible_within_clopper_pearson"}.get(k, k): v for k, v in table.count.items()},
        "worst": round(table.worst, 4),
        "false_alarms": round(alarms, 4),
        "power": [round(hit, 3) for hit in found],
        "p_best_first": [round(drawn_first, 3), round(by_formula, 3)],
        "alpha": ALPHA,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
