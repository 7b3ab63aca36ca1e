"""What reviewers say, how it is stored, and what comes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.e2e.workshop import Shell
from tests.review.conftest import TURNED_DOWN

from worktrial.analyse.reviews import agreement_json, latest, retired_by_reviewers, tally
from worktrial.errors import UsageError
from worktrial.formats.review import Labels, Review
from worktrial.review.desk import Desk
from worktrial.review.sample import draw, sample
from worktrial.store.suite import Suite


def other(desk: Desk, name: str) -> Desk:
    return Desk(desk.suite, name, desk.ids)


def test_what_was_saved_last_is_what_a_reviewer_thinks(desk: Desk) -> None:
    item = desk.ids[0]
    desk.save(item, {"kind": "bug_fix", "testable": "no"})
    desk.save(item, {"kind": "new_code", "testable": "", "note": "on second thoughts\r\nnew"})
    review = other(desk, "ann").mine()[item]
    assert review.labels == Labels(kind="new_code")
    assert review.note == "on second thoughts\nnew"
    assert len(list(desk.suite.reviews)) == 2


@pytest.mark.parametrize(
    "form", [{}, {"note": "  "}, {"kind": "poetry"}, {"leaks": "perhaps"}, {"kind": "other", "note": "x" * 10_001}]
)
def test_a_form_that_says_nothing_or_too_much_is_not_stored(desk: Desk, form: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        desk.save(desk.ids[0], form)
    assert not list(desk.suite.reviews)


def test_others_labels_are_shown_after_ones_own_only_and_then_end_the_blindness(desk: Desk) -> None:
    item, ben = desk.ids[0], other(desk, "ben")
    ben.save(item, {"kind": "other", "note": "hm"})
    with pytest.raises(UsageError, match="once you have given yours"):
        desk.look(item)
    assert desk.save(item, {"kind": "bug_fix"}).blind
    assert desk.save(item, {"kind": "new_code"}).blind
    desk.look(item)
    assert [(one.rater, one.note) for one in desk.others(desk.items.load(item))] == [
        ("ben", "hm"),
        ("rules", "the subject"),
    ]
    assert not desk.save(item, {"kind": "other"}).blind
    assert latest(desk.suite)[item]["ann"].labels.kind == "other"
    assert latest(desk.suite, blind=True)[item]["ann"].labels.kind == "new_code"


def test_agreement_is_of_blind_labels_between_people_and_with_rules(desk: Desk) -> None:
    ben = other(desk, "ben")
    for at, item in enumerate(desk.ids):
        desk.save(item, {"kind": "bug_fix" if at else "other", "fate": "keep"})
        ben.save(item, {"kind": "bug_fix", "fate": "retire" if at < 2 else "keep"})
    desk.look(desk.ids[0])
    desk.save(desk.ids[0], {"kind": "bug_fix"})
    rows = {(row["label"], *row["raters"]): row for row in agreement_json(desk.suite)["agreement"]}
    assert rows["kind", "ann", "ben"]["agreed"] == 4
    assert rows["kind", "ann", "ben"]["kappa"] == 0
    assert rows["fate", "ann", "ben"]["percent"] == 60
    assert rows["kind", "ben", "rules"]["agreed"] == 4  # the one that was turned down is of another kind
    assert rows["fate", "ann", "rules"]["agreed"] == 4


def test_what_more_retire_than_keep_is_retired(desk: Desk) -> None:
    first, second, third = desk.ids[:3]
    said = {"ann": ("retire", "retire", "keep"), "ben": ("keep", "retire", "retire"), "cy": ("", "keep", "")}
    for name, fates in said.items():
        for item, fate in zip((first, second, third), fates, strict=True):
            if fate:
                other(desk, name).save(item, {"fate": fate})
    assert retired_by_reviewers(desk.suite) == {second: "retired by ann, ben, kept by cy"}
    assert tally(latest(desk.suite)[second]) == {"fate": {"retire": 2, "keep": 1}}


def test_labels_of_an_item_that_has_changed_since_are_asked_for_again(desk: Desk) -> None:
    item = next(one for one in desk.ids if one != TURNED_DOWN)
    desk.save(item, {"kind": "bug_fix"})
    (desk.suite.task_dir(item) / "prompt.md").write_text("Something else\n")
    assert item in desk.mine()  # what was shown when the pages were opened
    assert item not in other(desk, "ann").mine()


WRITER = """
import sys
from pathlib import Path
from worktrial.review.desk import Desk
from worktrial.review.sample import sample
from worktrial.store.suite import Suite
suite, name = Suite(Path(sys.argv[1])), sys.argv[2]
desk = Desk(suite, name, sample(suite, None, 0, rejected=True))
for at in range(25):
    desk.save(desk.ids[at % len(desk.ids)], {"kind": "bug_fix", "note": f"{name} {at} " + "x" * 6000})
"""


def test_reviewers_at_the_same_time_and_a_torn_line_lose_nothing(desk: Desk) -> None:
    suite = desk.suite
    suite.reviews.path.write_bytes(b'{"record":"review","item":"torn')
    crew = [subprocess.Popen([sys.executable, "-c", WRITER, suite.path, name]) for name in ("ann", "ben", "cy")]
    assert [one.wait(120) for one in crew] == [0, 0, 0]
    notes = [entry.note.split(" x")[0] for entry in suite.reviews if isinstance(entry, Review)]
    assert sorted(notes) == sorted(f"{name} {at}" for name in ("ann", "ben", "cy") for at in range(25))


@given(st.sets(st.text("abc", min_size=1, max_size=4)), st.integers(0, 30), st.integers(), st.text("xyz", min_size=1))
def test_a_sample_is_the_same_for_a_seed_and_stays_in_order_when_more_is_added(
    ids: set[str], count: int, seed: int, more: str
) -> None:
    drawn = draw(ids, count, seed)
    assert drawn == draw(sorted(ids, reverse=True), count, seed)
    assert len(drawn) == min(count, len(ids))
    grown = draw({*ids, more}, None, seed)
    assert [item for item in grown if item != more] == draw(ids, None, seed)


def test_the_sample_mixes_tasks_with_what_was_turned_down(suite_for_people: Suite) -> None:
    assert TURNED_DOWN not in sample(suite_for_people, None, 0, rejected=False)
    everything = sorted([*suite_for_people.task_ids(), TURNED_DOWN])
    assert sorted(sample(suite_for_people, None, 0, rejected=True)) == everything


def test_runs_and_validations_leave_out_what_is_retired_and_say_so(shell: Shell, suite: Path) -> None:
    opened = Suite(suite)
    Desk(opened, "ann", opened.task_ids()).save("fix", {"fate": "retire"})
    run = ("run", suite, "--agent", "nop", "--no-controls", "--out", "run")
    assert shell(*run, "--task", "fix").is_clean_error("no such task that reviewers kept", "worktrial review")
    ended = shell(*run, "--dry-run")
    assert "left out: fix, retired by ann" in ended.err
    validated = shell("validate", suite, "--runs", "1", "--json")
    assert "left out: fix, retired by ann" in validated.err
    assert validated.json["candidates"] == 1
    assert opened.task_ids() == ["add", "fix"]


def test_agreement_is_printed_and_names_are_checked(shell: Shell, desk: Desk) -> None:
    path = desk.suite.path
    for name in ("ann", "ben"):
        for item in desk.ids:
            other(desk, name).save(item, {"kind": "bug_fix" if item == desk.ids[0] else "other", "fate": "keep"})
    ended = shell("review", path, "--agreement", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["reviewers"] == {"ann": 5, "ben": 5}
    first = ended.json["agreement"][0]
    assert (first["label"], first["raters"], first["items"]) == ("kind", ["ann", "ben"], 5)
    assert (first["agreed"], first["percent"], first["kappa"]) == (5, 100.0, 1.0)
    assert "Kind of work" in ended.err
    assert shell("review", path, "--reviewer", "rules").is_clean_error("can't be called", code=4)
    assert shell("review", path, "--reviewer", "a\nb").is_clean_error("--reviewer", code=4)
    assert shell("review", path / "nothing").is_clean_error("there is no suite")
