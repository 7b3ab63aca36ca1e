"""What the messages of a change ask for."""

from __future__ import annotations

import pytest

from worktrial.formats.base import now
from worktrial.mine.history import Commit
from worktrial.mine.landed import Landed
from worktrial.mine.message import request, whole_message


def test_a_plain_commit_speaks_for_itself() -> None:
    assert request(_commit("Add one\n\nBecause zero is not enough.")) == "Add one\n\nBecause zero is not enough."


def test_a_pull_requests_title_and_text_come_before_what_its_commit_adds() -> None:
    landed = _merge("Merge pull request #7 from me/x\n\nAdd one\n\nPlease.", "one\n\nPlease.\n\nIt counts from zero.")
    assert request(landed) == "Add one\n\nPlease.\n\nIt counts from zero."


@pytest.mark.parametrize("merge", ["Merge branch 'add-one'", "Merge pull request #7 from me/add-one\n\nAdd one"])
def test_a_merge_that_only_names_its_branch_leaves_the_word_to_its_commit(merge: str) -> None:
    assert request(_merge(merge, "Count from one, not zero\n\nAs people do.")) == (
        "Count from one, not zero\n\nAs people do."
    )


def test_a_title_alone_is_followed_by_what_was_done_under_it() -> None:
    landed = _merge("Add numbers (#7)", "Add one", "fix lint", "Add numbers", "Update CHANGES.rst", "Add two")
    assert request(landed) == "Add numbers (#7)\n\n- Add one\n- Add two"


def test_a_text_of_its_own_is_enough() -> None:
    assert (
        request(_merge("Add numbers (#7)\n\nOne and two.", "Add one", "Add two")) == "Add numbers (#7)\n\nOne and two."
    )


def test_a_squashed_branch_is_told_without_its_chores_and_repetitions() -> None:
    landed = _commit("Add one (#7)\n\n* Add one\n\nBecause.\n\n* fix typo\n\n* Add tests\n\n* Handle negative numbers")
    assert request(landed) == "Add one (#7)\n\nBecause.\n\n* Handle negative numbers"


def test_a_list_of_someones_own_stays_as_it_is() -> None:
    message = "Update project files\n\n* simplify matrix\n* fix lint\n* add devcontainer"
    assert request(_commit(message)) == message


@pytest.mark.parametrize("merge", ["Merge commit from fork", "Merge pull request from GHSA-h75v-3vvj-5mfj"])
def test_a_merge_of_a_private_fork_goes_by_its_title(merge: str) -> None:
    assert request(_merge(f"{merge}\n\ndisallow invalid keys", "Disallow invalid keys")) == "disallow invalid keys"


def test_the_whole_message_keeps_every_word() -> None:
    landed = _merge("Merge pull request #7 from me/x\n\nAdd numbers", "Add one", "Add two")
    assert whole_message(landed) == "Merge pull request #7 from me/x\n\nAdd numbers\n\nAdd one\n\nAdd two"


def _make(message: str, *parents: str) -> Commit:
    return Commit(id="a" * 40, tree="b" * 40, parents=parents, committed_at=now(), message=message)


def _commit(message: str) -> Landed:
    commit = _make(message, "c" * 40)
    return Landed(commit, "c" * 40, "commit", (commit,))


def _merge(message: str, *brought: str) -> Landed:
    """Return a merge; `brought` are its commits' messages, oldest first."""
    commits = tuple(_make(text, "c" * 40) for text in reversed(brought))
    return Landed(_make(message, "c" * 40, "d" * 40), "c" * 40, "merge", commits)
