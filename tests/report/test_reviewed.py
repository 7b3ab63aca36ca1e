"""What reviewers said, on the pages of tasks."""

from __future__ import annotations

from pathlib import Path

from tests.report.fakerun import CONTROLS, START, agent, by_chance, make_run, make_suite, simple_tasks

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
