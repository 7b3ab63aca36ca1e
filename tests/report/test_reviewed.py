"""What reviewers said, on the pages of tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.report.fakerun import CONTROLS, START, agent, by_chance, make_run, make_suite, simple_tasks

from worktrial.analyse.reviews import doubts
from worktrial.formats.review import Labels, Review
from worktrial.report.site import build


def test_a_task_page_has_what_reviewers_said(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(2))
    one, other = suite.task_ids()
    for name, kind, narrow in (("ann", "bug_fix", True), ("ben", "bug_fix", False), ("cy", "new_code", None)):
        labels = Labels.model_validate({"kind": kind, "narrow": narrow})
        suite.reviews.append(Review(item=one, of="x", reviewer=name, labels=labels, blind=True, at=START))
    run = make_run(tmp_path / "run", suite, [agent("alpha"), *CONTROLS], 1, by_chance({"alpha": 0.5}, {"alpha": 0.1}))
    build(run, tmp_path / "report")
    page = (tmp_path / f"report/tasks/{one}.html").read_text()
    assert "<dt>Kind of work</dt><dd>bug fix 2, new code 1</dd>" in page
    assert "<dt>Tests too narrow</dt><dd>yes 1, no 1</dd>" in page
    assert "What reviewers said" not in (tmp_path / f"report/tasks/{other}.html").read_text()


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([], []),
        ([{"kind": "bug_fix"}], []),
        ([{"narrow": True}], ["narrow"]),
        ([{"narrow": True}, {"narrow": False}], []),
        ([{"narrow": True}, {"narrow": True}, {"narrow": False}], ["narrow"]),
        ([{"testable": False, "leaks": True}, {"testable": True}, {"fate": "retire"}], ["leaks", "fate"]),
        ([{"testable": True, "leaks": False, "underspecified": False, "fate": "keep"}], []),
    ],
)
def test_fault_is_found_where_more_say_so_than_not(labels: list[dict[str, object]], found: list[str]) -> None:
    reviews = {
        str(n): Review(item="t", of="x", reviewer=str(n), labels=Labels.model_validate(said), blind=True, at=START)
        for n, said in enumerate(labels)
    }
    assert doubts(reviews) == found


def test_reviews_are_in_report_json_the_splits_and_the_caveats(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(4))
    tasks = suite.task_ids()
    for item, said in ((tasks[0], {"narrow": True}), (tasks[1], {"narrow": False, "kind": "bug_fix"})):
        labels = Labels.model_validate(said)
        suite.reviews.append(Review(item=item, of="x", reviewer="ann", labels=labels, blind=True, at=START))
    run = make_run(tmp_path / "run", suite, [agent("alpha"), *CONTROLS], 1, by_chance({"alpha": 0.5}, {"alpha": 0.1}))
    page = build(run, tmp_path / "report").index.read_text()
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["reviews"] == {
        "reviewed": 2,
        "share": 0.5,
        "tasks": {
            tasks[0]: {"reviewers": 1, "labels": {"narrow": {"yes": 1}}, "doubts": ["narrow"]},
            tasks[1]: {"reviewers": 1, "labels": {"kind": {"bug_fix": 1}, "narrow": {"no": 1}}, "doubts": []},
        },
    }
    split = next(one for one in report["splits"] if one["by"] == "What reviewers said")
    assert [(one["label"], one["tasks"]) for one in split["groups"]] == [
        ("no fault found", 1),
        ("found fault with", 1),
        ("unknown", 2),
    ]
    caveat = (
        "Reviewers looked at 2 of 4 tasks and find fault with 1 (tests too narrow 1): their results are worth less."
    )
    assert caveat in report["decision"]["caveats"]
    assert caveat in page
    assert "<dt>Reviewed by people</dt><dd>2 tasks of 4</dd>" in page


def test_without_reviews_there_is_no_caveat_and_none_are_counted(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(2))
    run = make_run(tmp_path / "run", suite, [agent("alpha"), *CONTROLS], 1, by_chance({"alpha": 0.5}, {"alpha": 0.1}))
    build(run, tmp_path / "report")
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["reviews"] == {"reviewed": 0, "share": 0.0, "tasks": {}}
    assert not any("eviewers" in caveat for caveat in report["decision"]["caveats"])
