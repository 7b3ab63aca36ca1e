"""Saying how steady the tests of a suite are: what flipped, what is set aside, and how sure that is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from worktrial.analyse.flips import chance_to_miss, flip_bound
from worktrial.analyse.words import percent
from worktrial.cli.output import talk
from worktrial.curate.validate import Summary
from worktrial.formats.classification import RelevanceJudged

_MOST = 10
_FLIPPER = 0.1
"""Flip rate that a check's chance to miss is given for."""


def print_stability(summary: Summary, *, thorough: bool) -> dict[str, Any]:
    """Print what a validation found out about flipping tests and return it for JSON."""
    print_moves(summary.quarantined, summary.returned)
    found: dict[str, Any] = {
        "quarantined": [list(each) for each in summary.quarantined],
        "returned": [list(each) for each in summary.returned],
    }
    if not thorough:
        return found
    checked = [decision for decision in summary.decisions if decision.thorough is not None]
    checks = [decision.thorough for decision in checked if decision.thorough is not None]
    flipped = [test for one in checks for test in one.flipped]
    kept = [decision.thorough for decision in checked if decision.accepted and decision.thorough is not None]
    least = min((one.clean_runs for one in kept), default=0)
    task_runs = sum(one.clean_runs for one in kept)
    found["thorough"] = {
        "tasks": len(checked),
        "flipped": len(flipped),
        "rejected": sum(not decision.accepted for decision in checked),
        "runs": least,
        "flip_bound_per_test": max((one.flip_bound for one in kept), default=1.0),
        "flip_bound_of_suite": flip_bound(0, task_runs) if task_runs else 1.0,
        "chance_to_miss_a_10_percent_flipper": chance_to_miss(_FLIPPER, least),
    }
    for test in flipped[:_MOST]:
        talk.print(f"dropped, it flips: {test}", markup=False)
    if kept:
        said = found["thorough"]
        talk.print(
            f"{len(checked)} tasks checked, {len(flipped)} tests dropped. What is left flips, per test, at most "
            f"{percent(said['flip_bound_per_test'])} of the time (95% bound, {least} clean runs each); per run of a "
            f"task over the suite, at most {percent(said['flip_bound_of_suite'])} ({task_runs} clean runs). {least} "
            f"runs miss a test that flips one time in ten with a chance of {percent(chance_to_miss(_FLIPPER, least))}.",
            markup=False,
            soft_wrap=True,
        )
    return found


def print_relevance(summary: Summary) -> dict[str, Any]:
    """Print how well the ranking of test files agrees with coverage and return it for JSON; empty without any."""
    precision = [one.precision for one in summary.relevance if one.precision is not None]
    recall = [one.recall for one in summary.relevance if one.recall is not None]
    average = [one.average_precision for one in summary.relevance if one.average_precision is not None]
    if not precision or not recall or not average:
        return {}
    # Where fewer files cover a change than are named, not all that are named can.
    possible = [one.possible_precision for one in summary.relevance if one.possible_precision is not None]
    found = {
        "candidates": len(recall),
        "precision": round(sum(precision) / len(precision), 4),
        "possible_precision": round(sum(possible) / len(possible), 4),
        "recall": round(sum(recall) / len(recall), 4),
        "average_precision": round(sum(average) / len(average), 4),
    }
    talk.print(
        f"Test files ranked by history, names, imports and text, the first five against coverage of the changed "
        f"lines: precision {percent(found['precision'])} (at best {percent(found['possible_precision'])}, as few files "
        f"run them), recall {percent(found['recall'])}; "
        f"of the whole ranking {percent(found['average_precision'])} average precision "
        f"({found['candidates']} candidates)",
        markup=False,
        soft_wrap=True,
    )
    return {"relevance": found}


def print_moves(quarantined: Collection[tuple[str, str]], returned: Collection[tuple[str, str]]) -> None:
    """Print which tests the ledger has set aside and which have come back."""
    moves = ((quarantined, "quarantined, it failed with the landed change"), (returned, "back after clean runs"))
    for moved, what in moves:
        for task, test in list(moved)[:_MOST]:
            talk.print(f"{what}: {test} of {task}", markup=False, soft_wrap=True)
        if len(moved) > _MOST:
            talk.print(f"… and {len(moved) - _MOST} more", markup=False)


def print_judged(said: Sequence[RelevanceJudged]) -> dict[str, Any]:
    """Print how well a model's choice of test files agrees with coverage and return it for JSON; empty without any."""
    answered = [one for one in said if not one.error]
    precision = [one.precision for one in answered if one.precision is not None]
    recall = [one.recall for one in answered if one.recall is not None]
    failed = len(said) - len(answered)
    found: dict[str, Any] = {"answers": len(answered), "failed": failed}
    if precision and recall:
        found |= {
            "precision": round(sum(precision) / len(precision), 4),
            "recall": round(sum(recall) / len(recall), 4),
        }
    told = f": precision {percent(found['precision'])}, recall {percent(found['recall'])}" if "recall" in found else ""
    talk.print(
        f"Test files that {said[0].model if said else 'the model'} names, against coverage of the changed lines{told} "
        f"({len(answered)} answers" + (f", {failed} requests without one)" if failed else ")"),
        markup=False,
        soft_wrap=True,
    )
    return {"relevance_judged": found}
