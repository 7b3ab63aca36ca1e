"""Wall-clock limits on a machine that has other work: a test that waits for a processor is not one that hangs."""

from __future__ import annotations

import os

_MOST = 5.0
"""A limit stays one, whatever else goes on."""


def crowding() -> float:
    """Return by what a limit of wall-clock time is to be multiplied: how many processes there were to run for each
    processor over the last minute, from 1 to 5."""
    return min(_MOST, max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0))))
