"""Limits of wall-clock time on a machine that has other work."""

from __future__ import annotations

import pytest

from worktrial.sandboxes.crowded import crowding


@pytest.mark.parametrize(("load", "factor"), [(0.0, 1.0), (3.9, 1.0), (8.0, 2.0), (400.0, 5.0)])
def test_a_limit_grows_with_the_processes_there_are_for_each_processor(
    monkeypatch: pytest.MonkeyPatch, load: float, factor: float
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4))
    assert crowding() == factor
