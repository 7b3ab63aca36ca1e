"""Agreement of two raters on the same items: percent, and Cohen's kappa, which takes out what chance would give."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

FEW = 5
"""On fewer items kappa and its interval say nothing, and are not given."""
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Agreement:
    """How far two raters agree."""

    items: int
    """Items that both rated."""
    agreed: int
    kappa: float | None
    """-1..1; None: undefined, as there are fewer than `FEW` items or both gave one and the same answer to all."""
    low: float | None
    """Lower end of the 95% interval of kappa; None where it is undefined."""
    high: float | None

    @property
    def share(self) -> float | None:
        """Share of items on which they agree, 0..1; None: there are none."""
        return self.agreed / self.items if self.items else None


def agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> Agreement:
    """Return the agreement of the first with the second rater of each pair.

    Kappa after Cohen (1960), its large-sample variance after Fleiss, Cohen and Everitt (1969), eq. 13: an interval on
    fewer than some 20 items is a rough guide.
    """
    total = len(pairs)
    agreed = sum(one == other for one, other in pairs)
    if total < FEW:
        return Agreement(total, agreed, None, None, None)
    cells = Counter(pairs)
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    rows = {answer: count / total for answer, count in first.items()}
    columns = {answer: count / total for answer, count in second.items()}
    by_chance = sum(share * columns.get(answer, 0.0) for answer, share in rows.items())
    if by_chance >= 1 - 1e-12:
        return Agreement(total, agreed, None, None, None)
    observed = agreed / total
    kappa = (observed - by_chance) / (1 - by_chance)
    rest = 1 - kappa
    on, off = 0.0, 0.0
    for (one, other), count in cells.items():
        share = count / total
        if one == other:
            on += share * (1 - (rows[one] + columns[one]) * rest) ** 2
        else:
            off += share * (columns.get(one, 0.0) + rows.get(other, 0.0)) ** 2
    variance = (on + off * rest**2 - (kappa - by_chance * rest) ** 2) / (total * (1 - by_chance) ** 2)
    reach = _Z95 * math.sqrt(max(0.0, variance))
    return Agreement(total, agreed, kappa, max(-1.0, kappa - reach), min(1.0, kappa + reach))


def in_words(kappa: float | None) -> str:
    """Return what a kappa is commonly called (Landis and Koch 1977)."""
    if kappa is None:
        return "undefined"
    steps = ((0.0, "none"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
    return next((word for limit, word in steps if kappa <= limit), "almost perfect")
