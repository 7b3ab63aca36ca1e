"""What counts as one landed change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.mine.building import SOURCE, TEST, Repository, mined, reasons

from worktrial.formats.base import now
from worktrial.mine.history import Commit
from worktrial.mine.landed import is_forward


def test_a_plain_commit_is_compared_with_its_parent(repo: Repository) -> None:
    before = repo.head
    landed = repo.change("Add one", "one")
    [candidate] = mined(repo.path).candidates
    assert (candidate.commit, candidate.parent, candidate.kind) == (landed, before, "commit")
    assert candidate.commits == (landed,)
    assert candidate.id == f"pkg-{landed[:10]}"


def test_a_merge_of_several_commits_is_one_change(repo: Repository) -> None:
    before = repo.head
    repo.branch("feature")
    first, second = repo.change("Add one", "one"), repo.change("Add two", "two")
    merge = repo.merge("feature", "Merge pull request #7 from me/feature\n\nAdd numbers")
    [candidate] = mined(repo.path).candidates
    assert (candidate.commit, candidate.parent, candidate.kind) == (merge, before, "merge")
    assert candidate.commits == (second, first)
    assert candidate.removed[0].text == "Merge pull request #7 from me/feature"


def test_a_merge_of_one_commit_goes_by_that_commit(repo: Repository) -> None:
    before = repo.head
    repo.branch("feature")
    single = repo.change("Add one", "one")
    repo.git("switch", "--quiet", "main")
    repo.commit("Docs", {"README.md": "more\n"})
    repo.merge("feature", "Add one (#7)")
    [candidate] = mined(repo.path).candidates
    assert (candidate.commit, candidate.parent, candidate.kind) == (single, before, "merge")


def test_a_merge_of_one_commit_that_main_has_moved_under_goes_by_the_merge(repo: Repository) -> None:
    repo.branch("feature")
    repo.commit("Add one", {SOURCE: "VALUE = 1\nONE = 1\n", TEST: "from pkg import core\n\nassert core.ONE\n"})
    repo.git("switch", "--quiet", "main")
    before = repo.commit("Say what it is", {SOURCE: '"""Core."""\n\n\n\n\n\n\nVALUE = 1\n'})
    merge = repo.merge("feature", "Add one (#7)")
    [candidate] = mined(repo.path).candidates
    assert (candidate.commit, candidate.parent) == (merge, before)


def test_a_long_lived_branch_is_walked_change_by_change(repo: Repository) -> None:
    repo.branch("stable")
    one = repo.change("Add one", "one")
    repo.branch("fix")
    repo.change("Add two", "two")
    repo.change("Add three", "three")
    repo.git("switch", "--quiet", "stable")
    repo.git("merge", "--quiet", "--no-ff", "--message", "Add two and three", "fix")
    inner = repo.head
    repo.merge("stable", "Merge branch 'stable'")
    result = mined(repo.path)
    assert [candidate.commit for candidate in result.candidates] == [inner, one]
    assert reasons(result)["Merge branch 'stable'"] == "merge_forward"


def test_what_a_branch_brought_twice_is_considered_once(repo: Repository) -> None:
    repo.branch("stable")
    one = repo.change("Add one", "one")
    repo.merge("stable", "Merge branch 'stable'")
    repo.git("switch", "--quiet", "stable")
    two = repo.change("Add two", "two")
    repo.merge("stable", "Merge branch 'stable'")
    assert [candidate.commit for candidate in mined(repo.path).candidates] == [two, one]


def test_a_merge_of_very_many_commits_is_taken_apart(repo: Repository) -> None:
    repo.branch("feature")
    made = [repo.change(f"Add f{at}", f"f{at}") for at in range(21)]
    repo.merge("feature", "Merge pull request #7 from me/feature\n\nAdd a lot")
    assert [candidate.commit for candidate in mined(repo.path).candidates] == made[::-1]


@pytest.mark.parametrize(
    "subject",
    [
        "Merge branch 'stable'",
        "Merge branch '8.1.x'",
        "Merge branch '2.x-maintenance'",
        "Merge branch 'master' of github.com:me/pkg",
        "Merge remote-tracking branch 'origin/8.0.x'",
        "Merge remote-tracking branch 'upstream/stable' into merge-stable-into-main",
        "Merge stable into main (#3446)",
        "Merge `stable` into `main`; Release 8.2.0 (#2873)",
        "merge main into stable to synchronize commits. (#3233)",
        "Merge pull request #2248 from somebody/8.1.x",
        "Merge tag 'v1.2.3'",
        "Merge branch 'release/1.2' into main",
    ],
)
def test_merges_of_long_lived_branches_carry_other_work_along(subject: str) -> None:
    assert is_forward(_merge(subject), 1)


@pytest.mark.parametrize(
    "subject",
    [
        "Merge branch 'fix-parser'",
        "Merge branch 'feature/stable-ids'",
        "Merge pull request #1040 from somebody/master",
        "Merge pull request #7 from me/merge-options",
        "Add support of paths (#3781)",
        "Merge dev dependencies into one file",
        "Merge 2 loops",
        "Stable sorting",
        "Merge branch 'main-menu'",
    ],
)
def test_merges_of_anything_else_are_work(subject: str) -> None:
    assert not is_forward(_merge(subject), 1)


def test_a_detached_head_is_mined_from_where_it_stands(repo: Repository) -> None:
    one = repo.change("Add one", "one")
    repo.change("Add two", "two")
    repo.git("checkout", "--quiet", one)
    result = mined(repo.path)
    assert result.head == one
    assert [candidate.commit for candidate in result.candidates] == [one]


def test_max_commits_counts_the_mainline_merges_included(repo: Repository) -> None:
    repo.change("Add zero", "zero")
    repo.branch("feature")
    first, second = repo.change("Add one", "one"), repo.change("Add two", "two")
    repo.merge("feature", "Add numbers (#7)")
    three = repo.change("Add three", "three")
    result = mined(repo.path, max_commits=2)
    assert [candidate.commits for candidate in result.candidates] == [(three,), (second, first)]
    assert result.commits_read == 4


def test_since_leaves_out_what_was_committed_before(repo: Repository) -> None:
    repo.change("Add one", "one")
    moment = datetime.fromtimestamp(repo.clock + 30, UTC)
    two = repo.change("Add two", "two")
    assert [candidate.commit for candidate in mined(repo.path, since=moment).candidates] == [two]


def test_the_root_commit_has_nothing_before_it(repo: Repository) -> None:
    assert reasons(mined(repo.path)) == {"start": "root_commit"}


def _merge(subject: str) -> Commit:
    return Commit(id="0" * 40, tree="1" * 40, parents=("2" * 40, "3" * 40), committed_at=now(), message=subject)
