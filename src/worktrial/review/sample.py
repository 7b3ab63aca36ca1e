"""Drawing the sample that people look at: the same for the same seed, and kept when the suite grows."""

from __future__ import annotations

from collections.abc import Iterable

from worktrial.store.cache import digest
from worktrial.store.suite import Suite


def draw(ids: Iterable[str], count: int | None, seed: int) -> list[str]:
    """Return `count` of `ids` (None: all) in an order that only the seed and each id decide.

    Each item's place is that of a hash: what is added later takes places between, and the rest stay in order.
    """
    order = sorted(ids, key=lambda item: digest(str(seed), item))
    return order[:count]


def sample(suite: Suite, count: int | None, seed: int, *, rejected: bool) -> list[str]:
    """Return a sample of the tasks and, if asked for, as many of the candidates that validation turned down."""
    tasks = suite.task_ids()
    chosen = draw(tasks, count, seed)
    if rejected:
        known = set(tasks)
        turned_down = [
            candidate.id
            for candidate in suite.candidates
            if candidate.id not in known
            and (decision := suite.decision(candidate.id)) is not None
            and not decision.accepted
        ]
        chosen = draw((*chosen, *draw(turned_down, count, seed)), None, seed)  # mixed: a reviewer can't tell by place
    return chosen
