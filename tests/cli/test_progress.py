"""The live line of long work."""

from __future__ import annotations

from rich.progress import Progress

from worktrial.cli.progress import _Left


def left_after(ended_at: list[float], now: float, *, total: int, before: int = 0) -> str:
    """Return what is said to be left at `now` when single things ended at the given seconds."""
    clock = [0.0]
    progress = Progress(get_time=lambda: clock[0])
    column = _Left(before)
    task = progress.add_task("", total=total, completed=before)
    for clock[0] in ended_at:
        progress.advance(task)
        column.render(progress.tasks[0])
    clock[0] = now
    return str(column.render(progress.tasks[0]))


def test_things_that_take_minutes_each_have_an_estimate_too() -> None:
    assert left_after([], 200, total=4) == "-:--:--"
    assert left_after([300], 300, total=4) == "0:15:00"
    assert left_after([300, 600], 600, total=4) == "0:10:00"


def test_between_two_things_it_counts_down_and_never_below_nothing() -> None:
    assert left_after([300], 420, total=2) == "0:03:00"
    assert left_after([300], 900, total=2) == "0:00:00"


def test_what_was_done_before_this_call_says_nothing_of_its_pace() -> None:
    assert left_after([], 30, total=100, before=90) == "-:--:--"
    assert left_after([60], 60, total=100, before=90) == "0:09:00"
