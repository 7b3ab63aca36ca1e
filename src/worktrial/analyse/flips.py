"""How often a test flips: what clean runs prove, what they miss, and when a test is set aside."""

from __future__ import annotations

from dataclasses import dataclass

PRIOR = (0.05, 4.95)
"""Beta prior of the probability that a test fails with the landed solution: one in a hundred on average, as much as
five runs weigh. Between 0.5 and 1% of results flip in public harnesses; most tests never do, few do often, so the mass
lies near zero."""
CEILING = 0.05
"""A test that fails more often than this with the landed solution cannot decide over an agent."""
DOUBT = 0.2
"""Greatest probability that a test is above the ceiling with which it still counts.

With these constants a test that never failed always counts; one failure sets it aside until about thirty runs were
clean, two until about sixty. Thirty clean runs miss a test that flips one time in ten with a probability of 4%.
"""


def flip_bound(flips: int, runs: int, confidence: float = 0.95) -> float:
    """Return the one-sided upper confidence bound of a flip rate after `flips` in `runs`; 1 without runs.

    Source: Clopper and Pearson (1934), Biometrika 26, 404-413. Without flips it is 1 - (1 - confidence)^(1/runs).
    """
    from scipy.special import betaincinv  # half a second that most commands need not wait

    if flips >= runs:
        return 1.0
    return float(betaincinv(flips + 1, runs - flips, confidence))


def chance_to_miss(rate: float, runs: int) -> float:
    """Return the probability that a test which flips with `rate` does not in any of `runs`."""
    return float((1 - rate) ** runs)


def doubt(failures: int, runs: int) -> float:
    """Return the posterior probability that a test fails more often than `CEILING`, after `failures` in `runs`.

    The Beta prior is conjugate to the binomial (Gelman et al., Bayesian Data Analysis, 2.4): the posterior is
    Beta(a + failures, b + runs - failures), and this is its upper tail.
    """
    from scipy.special import betaincc  # half a second that most commands need not wait

    a, b = PRIOR
    return float(betaincc(a + failures, b + runs - failures, CEILING))


def is_quarantined(failures: int, runs: int) -> bool:
    """Whether a test is set aside: it has failed, and may well be above the ceiling. Clean runs bring it back."""
    return failures > 0 and doubt(failures, runs) > DOUBT


@dataclass(frozen=True)
class Seen:
    """What a test did in all runs with the landed solution."""

    runs: int = 0
    failures: int = 0

    def then(self, *, passed: bool) -> Seen:
        """Return the same with one more run."""
        return Seen(self.runs + 1, self.failures + (not passed))
