"""A million trials analysed: rates, every pair, costs, score, ranks, routing. Last line: rows, wall_s, rss_mib."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from worktrial.analyse.attempts import by_attempt, fit_decay
from worktrial.analyse.beta_binomial import belief
from worktrial.analyse.bounds import rate_bounds
from worktrial.analyse.columns import INFRASTRUCTURE, NOT_SOLVED, SOLVED, Columns, from_codes, outcome_matrix
from worktrial.analyse.cost import cost_per_task
from worktrial.analyse.criteria import candidates, resampled_figures
from worktrial.analyse.intervals import solve_rate, task_means
from worktrial.analyse.multiple import compare_all
from worktrial.analyse.passk import over_tasks, pass_at_k, pass_hat_k
from worktrial.analyse.power import more_needed
from worktrial.analyse.quantiles import quantile
from worktrial.analyse.ranking import stability
from worktrial.analyse.routing import route
from worktrial.analyse.score import score
from worktrial.formats.config import Rates, ScoreConfig, Thresholds

AGENTS = {"alpha": (0.53, 0.1), "beta": (0.66, 0.4), "gamma": (0.714, 1.2), "delta": (0.722, 2.5)}
"""Solve rate and US dollars per attempt."""
TRIALS = 5
RATES = Rates(
    sandbox_usd_per_minute=0.002,
    ci_usd_per_minute=0.008,
    review_usd_per_minute=1.5,
    review_minutes_per_patch=8,
)


def write(path: Path, rows: int) -> None:
    """Write made-up trials in columns: 4 agents, 5 trials a task, 1% infrastructure failures, 0.1% unpriced."""
    random = np.random.default_rng(1)
    tasks = rows // (len(AGENTS) * TRIALS)
    shape = (len(AGENTS), tasks, TRIALS)
    agent, task, n = (part.ravel().astype(np.int32) for part in np.indices(shape))
    solve, price = np.array(list(AGENTS.values()))[agent].T
    ease = random.normal(0, 0.25, tasks)[task]
    solved = random.random(len(agent)) < np.clip(solve + ease, 0, 1)
    outcome = np.where(solved, SOLVED, NOT_SOLVED).astype(np.int8)
    outcome[random.random(len(agent)) < 0.01] = INFRASTRUCTURE
    tokens = random.integers(20_000, 400_000, len(agent)).astype(float)
    seconds = random.gamma(2, 120, len(agent))
    np.savez(
        path,
        agent=agent,
        task=task,
        n=n + 1,
        outcome=outcome,
        attempts=1 + (random.random(len(agent)) < 0.02).astype(np.int32),
        unpriced=((random.random(len(agent)) < 0.001) & (agent == 0)).astype(np.int32),
        known_usd=price * random.gamma(2, 0.5, len(agent)),
        source=np.ones(len(agent), dtype=np.int8),
        agent_s=seconds,
        sandbox_s_all=seconds,
        ci_s_all=random.gamma(2, 10, len(agent)),
        input_tokens=tokens,
        output_tokens=tokens / 20,
        cache_read_tokens=tokens * random.random(len(agent)),
        requests=tokens // 9000,
        asked_all=tokens // 9000 + 1,
        failed_all=(random.random(len(agent)) < 0.03).astype(float),
        patch_bytes=random.integers(0, 5000, len(agent)),
    )


def read(path: Path, tasks: int) -> Columns:
    """Return the trials of a file of columns."""
    with np.load(path) as file:
        codes = dict(file)
    return from_codes(
        codes, runs=("run",), agents=tuple(AGENTS), tasks=tuple(f"task-{number:06d}" for number in range(tasks))
    )


def analyse(columns: Columns) -> dict[str, Any]:
    """Do all that a report does with numbers; return a few of them."""
    names = columns.contenders()
    outcomes = _timed("outcomes", lambda: {name: outcome_matrix(columns, name) for name in names})
    rates = _timed("rates", lambda: {name: solve_rate(one) for name, one in outcomes.items()})
    _timed("beliefs", lambda: [belief(one) for one in outcomes.values()])
    _timed("bounds", lambda: [rate_bounds(one) for one in outcomes.values()])
    _timed(
        "pass@k, pass^k",
        lambda: [
            over_tasks(of(one, k), k) for one in outcomes.values() for of in (pass_at_k, pass_hat_k) for k in (1, 3)
        ],
    )
    pairs = _timed("pairs", lambda: compare_all(outcomes))
    _timed("more", lambda: more_needed(outcomes["gamma"], outcomes["delta"], 0.05))
    _timed("decay", lambda: [fit_decay(by_attempt(one).effectiveness) for one in outcomes.values()])
    _timed("latency", lambda: [quantile(columns.of(name).agent_s) for name in names])
    _timed("costs", lambda: [cost_per_task(columns, name, RATES) for name in names])
    _timed("ranks", lambda: stability(np.array([task_means(one) for one in outcomes.values()]), 500))
    samples = _timed("samples", lambda: resampled_figures(columns, RATES))
    scored = _timed("score", lambda: score(candidates(columns, RATES), ScoreConfig(), Thresholds(), samples))
    routed = _timed("route", lambda: route(columns, ("beta", "gamma"), RATES))
    return {
        "rates": {name: rate and round(rate.mean, 4) for name, rate in rates.items()},
        "groups": pairs.groups,
        "winner": scored.winner,
        "routed": routed.rate and round(routed.rate.mean, 4),
    }


def _timed(name: str, work: Callable[[], Any]) -> Any:
    start = time.monotonic()
    found = work()
    print(f"{name:<16} {time.monotonic() - start:6.2f} s", file=sys.stderr)
    return found


def main() -> None:
    """Write the trials, then read and analyse them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as name:
        path = Path(name) / "trials.npz"
        write(path, rows)
        start = time.monotonic()
        columns = _timed("read", lambda: read(path, rows // (len(AGENTS) * TRIALS)))
        found = analyse(columns)
        wall = time.monotonic() - start
    print(found)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": len(columns), "wall_s": round(wall, 2), "rss_mib": round(memory)}))


if __name__ == "__main__":
    main()
