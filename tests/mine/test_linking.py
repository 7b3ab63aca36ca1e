"""Which session made which landed change, and what was asked in it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.mine.building import SOURCE, TEST, Repository, mined
from tests.mine.sessions import edit, moment, session, told, turn

from worktrial.formats.provenance import Link
from worktrial.mine.told import Telling, Wanted

FIRST = "def measure_length(values):\n    total_length = len(values)\n    return total_length\n"
SECOND = "def measure_width(values):\n    total_width = max(values)\n    return total_width\n"
CHECK = "def test_measure_length():\n    assert core.measure_length([1]) == 1\n"
CHECK_TWO = "def test_measure_width():\n    assert core.measure_width([1]) == 1\n"


def add(repo: Repository, message: str, source: str = FIRST, check: str = CHECK) -> str:
    """Commit `source` and `check` at the end of their files."""
    old, tests = (repo.path / SOURCE).read_text(), (repo.path / TEST).read_text()
    return repo.commit(message, {SOURCE: old + source, TEST: tests + check})


def link_of(telling: Telling, commit: str) -> Link:
    """Return the one link of a change."""
    found = telling.told[commit].provenance
    assert found is not None
    [link] = found.links
    return link


def edits(source: str = FIRST, check: str = CHECK) -> tuple:  # type: ignore[type-arg]
    return edit(SOURCE, source), edit(TEST, check)


def test_a_recorded_commit_links_its_session(repo: Repository) -> None:
    before = turn(repo, "Add a measure of how long values are", *edits())
    made = add(repo, "Add lengths")
    telling = told(
        repo.path, session("s", [before.model_copy(update={"commits": turn(repo, "", commit=made[:7]).commits})])
    )
    link = link_of(telling, made)
    assert (link.reason, link.session) == ("recorded_commit", "s")
    assert link.confidence > 0.9
    assert telling.told[made].prompts == ("Add a measure of how long values are",)
    assert (telling.sessions, telling.single_turn, telling.linked) == (1, 1, 1)
    assert telling.by_link == {"recorded_commit": 1}


def test_a_commit_that_was_amended_is_followed(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", *edits())
    old = add(repo, "Add lengths")
    asked = asked.model_copy(update={"commits": turn(repo, "", commit=old[:8], how="printed").commits})
    (repo.path / SOURCE).write_text((repo.path / SOURCE).read_text() + "LIMIT_OF_LENGTH = 10\n")
    repo.git("commit", "--quiet", "--all", "--amend", "--message", "Add lengths, up to a limit")
    telling = told(repo.path, session("s", [asked]))
    link = link_of(telling, repo.head)
    assert link.reason == "printed_commit"
    assert "amended" in link.detail or "squashed" in link.detail
    assert telling.told[repo.head].prompts == ("Add lengths",)


def test_an_amended_commit_that_is_gone_is_known_by_subject_and_minute(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", *edits())
    made = add(repo, "Add lengths")
    gone = turn(repo, "", commit="0123456", how="printed").commits[0].model_copy(update={"subject": "Add lengths"})
    telling = told(repo.path, session("s", [asked.model_copy(update={"commits": (gone,)})]))
    assert link_of(telling, made).reason == "printed_commit"
    assert "by subject and date" in link_of(telling, made).detail


def test_squashed_commits_are_followed_to_the_one_that_landed(repo: Repository) -> None:
    repo.branch("feature")
    first = turn(repo, "Add lengths", *edits())
    one = add(repo, "Add lengths")
    first = first.model_copy(update={"commits": turn(repo, "", commit=one[:7]).commits})
    second = turn(repo, "And widths", *edits(SECOND, CHECK_TWO))
    two = add(repo, "Add widths", SECOND, CHECK_TWO)
    second = second.model_copy(update={"commits": turn(repo, "", commit=two[:7]).commits})
    repo.git("switch", "--quiet", "main")
    repo.commit("Docs", {"README.md": "more\n"})
    repo.git("merge", "--quiet", "--squash", "feature")
    repo.git("commit", "--quiet", "--message", "Measure things (#3)")
    telling = told(repo.path, session("s", [first, second]))
    link = link_of(telling, repo.head)
    assert link.reason == "recorded_commit"
    assert "squashed" in link.detail
    assert telling.told[repo.head].prompts == ("Add lengths", "And widths")
    assert telling.told[repo.head].provenance.ai_share == 1.0  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["rebase", "cherry-pick"])
def test_a_rebased_or_picked_commit_is_followed_by_its_patch_id(repo: Repository, how: str) -> None:
    repo.branch("feature")
    asked = turn(repo, "Add lengths", *edits())
    old = add(repo, "Add lengths")
    asked = asked.model_copy(update={"commits": turn(repo, "", commit=old).commits})
    repo.git("switch", "--quiet", "main")
    repo.commit("Docs", {"README.md": "more\n"})
    if how == "rebase":
        repo.git("switch", "--quiet", "feature")
        repo.git("rebase", "--quiet", "main")
        repo.git("switch", "--quiet", "main")
        repo.git("merge", "--quiet", "--ff-only", "feature")
    else:
        repo.git("cherry-pick", "feature")
        repo.git("branch", "--quiet", "-D", "feature")
    assert repo.head != old
    telling = told(repo.path, session("s", [asked]))
    assert "same patch id" in link_of(telling, repo.head).detail
    assert telling.told[repo.head].prompts == ("Add lengths",)


def test_a_checkpoint_trailer_links_the_session_and_not_those_that_looked_on(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", *edits())
    other = turn(repo, "What is this?", edit("other.py", "SOMETHING_ELSE = 1\n"))
    made = add(repo, "Add lengths\n\nEntire-Checkpoint: a3b2c4d5e6f7\nEntire-Attribution: 73% agent (146/200 lines)")
    telling = told(
        repo.path,
        session("s", [asked], checkpoints=("a3b2c4d5e6f7",)),
        session("t", [other], checkpoints=("a3b2c4d5e6f7",)),
    )
    assert link_of(telling, made).session == "s"
    assert link_of(telling, made).reason == "checkpoint_trailer"
    assert telling.told[made].provenance.stated_share == 0.73  # type: ignore[union-attr]


def test_a_session_that_began_after_the_commit_did_not_make_it(repo: Repository) -> None:
    made = add(repo, "Add lengths\n\nEntire-Checkpoint: a3b2c4d5e6f7")
    repo.clock += 3600
    late = session("s", [turn(repo, "Why is it so?", *edits())], checkpoints=("a3b2c4d5e6f7",))
    telling = told(repo.path, late)
    assert telling.told[made].prompts == ()
    assert telling.changes_linked == 0
    assert telling.linked == 1  # the trailer is there all the same


def test_a_git_ai_note_links_by_the_tools_own_session_id(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", *edits())
    made = add(repo, "Add lengths")
    log = {"schema_version": "authorship/3.0.0", "base_commit_sha": made,
           "sessions": {"s_1": {"agent_id": {"tool": "claude", "id": "the-session", "model": "m"}}}}  # fmt: skip
    note = f"{SOURCE}\n  s_1::t_1 2-4\n  h_9 5\n---\n{json.dumps(log)}"
    repo.git("notes", "--ref=ai", "add", "--message", note, made)
    telling = told(repo.path, session("the-session", [asked]))
    assert link_of(telling, made).reason == "note"
    assert telling.told[made].provenance.stated_share == pytest.approx(0.6)  # type: ignore[union-attr]


def test_an_agent_trace_record_links_by_the_conversations_address(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", *edits())
    made = add(repo, "Add lengths")
    by = {"url": "https://tool.invalid/c/the-session", "contributor": {"type": "ai", "model_id": "some/model"}}
    file = {"path": SOURCE, "conversations": [{**by, "ranges": [{"start_line": 2, "end_line": 4}]}]}
    record = {"version": "0.1.0", "id": "x", "vcs": {"type": "git", "revision": made}, "files": [file]}
    repo.commit("Traces", {".agent-trace/traces.jsonl": json.dumps(record) + "\n"})
    telling = told(repo.path, session("the-session", [asked]))
    assert link_of(telling, made).reason == "agent_trace"


def test_lines_alone_link_what_nothing_is_written_about(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", *edits())
    made = add(repo, "Add lengths")
    telling = told(repo.path, session("s", [asked], cwd=str(repo.path)))
    link = link_of(telling, made)
    assert link.reason == "overlap"
    assert link.confidence == pytest.approx(0.9)


def test_lines_of_a_session_long_before_or_after_link_nothing(repo: Repository) -> None:
    early = session("early", [turn(repo, "Add lengths", *edits())])
    repo.clock += 30 * 86400
    add(repo, "Add lengths")
    repo.clock += 86400
    late = session("late", [turn(repo, "Add lengths", *edits())])
    assert told(repo.path, early, late).changes_linked == 0


def test_a_session_that_shares_few_lines_gives_no_prompt(repo: Repository) -> None:
    asked = turn(repo, "Say hello", edit(SOURCE, "    return total_length\n"))
    made = add(repo, "Add lengths")
    telling = told(repo.path, session("s", [asked]), only=True)
    assert telling.told[made].prompts == ()
    assert telling.told[made].reason is not None


def test_a_rejected_edit_links_nothing(repo: Repository) -> None:
    refused = [one.model_copy(update={"outcome": "rejected"}) for one in edits()]
    asked = turn(repo, "Add lengths", *refused)
    made = add(repo, "Add lengths")
    assert told(repo.path, session("s", [asked]), only=True).told[made].reason.name == "no_session"  # type: ignore[union-attr]


def test_a_session_of_two_commits_is_cut_between_them(repo: Repository) -> None:
    first = turn(repo, "Add lengths", *edits())
    one = add(repo, "Add lengths")
    first = first.model_copy(update={"commits": turn(repo, "", commit=one[:7]).commits})
    thanks = turn(repo, "Fine. Why max?")
    repo.clock += 60
    second = turn(repo, "Now add `widths` beside it", *edits(SECOND, CHECK_TWO))
    two = add(repo, "Add widths", SECOND, CHECK_TWO)
    last = turn(repo, "Commit it", commit=two[:7])
    telling = told(repo.path, session("s", [first, thanks, second, last]))
    assert telling.told[one].prompts == ("Add lengths",)
    assert telling.told[two].prompts == ("Fine. Why max?", "Now add `widths` beside it")


def test_a_prompt_that_goes_on_with_an_earlier_change_is_not_what_was_asked(repo: Repository) -> None:
    first = turn(repo, "Add lengths", *edits())
    one = add(repo, "Add lengths")
    first = first.model_copy(update={"commits": turn(repo, "", commit=one[:7]).commits})
    repo.clock += 60
    second = turn(repo, "Now do the same for the other", *edits(SECOND, CHECK_TWO))
    two = add(repo, "Add widths", SECOND, CHECK_TWO)
    last = turn(repo, "Rename `widths` in util.py", *edits(SECOND, CHECK_TWO), commit=two[:7])
    found = told(repo.path, session("s", [first, second, last])).told[two]
    assert found.prompts == ()
    assert found.unasked is not None
    assert (found.unasked.name, found.unasked.detail.partition(":")[0]) == ("refers_to_talk", "unknown")


def test_a_conversation_in_which_nothing_is_said_by_itself_is_not_what_was_asked(repo: Repository) -> None:
    first = turn(repo, "This seems too long, how would you cut it?", *edits())
    second = turn(repo, "yes, add the missing case", *edits(SECOND, CHECK_TWO))
    made = add(repo, "Measure", FIRST + SECOND, CHECK + CHECK_TWO)
    found = told(repo.path, session("s", [first, second])).told[made]
    assert found.prompts == ()
    assert found.unasked is not None
    assert found.unasked.name == "refers_to_talk"


def test_a_conversation_that_begins_with_a_question_becomes_a_candidate(repo: Repository) -> None:
    first = turn(repo, "How does the loader find its files?")
    second = turn(repo, "Add `lengths` to it, and a test", *edits())
    made = add(repo, "Add lengths")
    conversation = session("s", [first, second])
    result = mined(repo.path, wanted=Wanted([conversation]))
    assert [candidate.prompt_kind for candidate in result.candidates if candidate.commit == made] == ["conversation"]


def test_two_conversations_of_one_change_follow_each_other_in_time(repo: Repository) -> None:
    first = session("a", [turn(repo, "Add lengths", *edits())])
    repo.clock += 3600
    second = session("b", [turn(repo, "And widths", *edits(SECOND, CHECK_TWO))])
    made = add(repo, "Measure", FIRST + SECOND, CHECK + CHECK_TWO)
    telling = told(repo.path, second, first)
    assert telling.told[made].prompts == ("Add lengths", "And widths")
    assert {link.session for link in telling.told[made].provenance.links} == {"a", "b"}  # type: ignore[union-attr]


def test_a_co_author_links_weakly_and_gives_no_prompt(repo: Repository) -> None:
    asked = turn(repo, "Do something")
    made = add(repo, "Add lengths\n\nCo-authored-by: Claude Opus 4.5 <noreply@anthropic.com>")
    telling = told(repo.path, session("s", [asked]))
    assert telling.told[made].prompts == ()
    assert telling.told[made].provenance.models == ("Claude Opus 4.5",)  # type: ignore[union-attr]


def test_commands_of_slashes_and_subagents_are_no_prompts(repo: Repository) -> None:
    plain = turn(repo, "/init", kind="command")
    asked = turn(repo, "Add lengths", *edits())
    made = add(repo, "Add lengths")
    assert told(repo.path, session("s", [plain, asked])).told[made].prompts == ("Add lengths",)


def test_a_subagents_lines_are_its_sessions(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", edit(SOURCE, FIRST))
    inner = turn(repo, "", edit(TEST, CHECK, model="model-2"))
    made = add(repo, "Add lengths")
    asked = asked.model_copy(update={"commits": turn(repo, "", commit=made[:7]).commits})
    telling = told(repo.path, session("s", [asked]), session("part", [inner], parent="s"))
    found = telling.told[made].provenance
    assert found is not None
    assert (found.ai_share, found.models) == (1.0, ("model-1", "model-2"))
    assert telling.sessions == 1


def test_sessions_of_another_repository_link_nothing(repo: Repository) -> None:
    asked = turn(repo, "Something else", edit("src/else.py", "WHOLLY_DIFFERENT = 1\n"), commit="abcdef0")
    made = add(repo, "Add lengths")
    telling = told(repo.path, session("s", [asked], cwd="/somewhere/else"))
    assert telling.told[made].provenance is None
    assert (telling.linked, telling.sessions_linked) == (0, 0)


def test_a_session_without_times_still_links_by_its_commit(repo: Repository) -> None:
    made = add(repo, "Add lengths")
    asked = turn(repo, "Add lengths", *edits(), commit=made[:7]).model_copy(update={"at": None})
    one = session("s", [asked.model_copy(update={"at": moment(0)})]).model_copy(
        update={"started_at": None, "ended_at": None, "turns": (asked,)}
    )
    assert told(repo.path, one).told[made].prompts == ("Add lengths",)


def test_what_is_wanted_only_with_sessions_has_reasons_for_the_rest(repo: Repository) -> None:
    asked = turn(repo, "Add lengths", *edits())
    made = add(repo, "Add lengths")
    repo.clock += int(timedelta(days=60).total_seconds())
    alone = add(repo, "Add widths", SECOND, CHECK_TWO)
    telling = told(repo.path, session("s", [asked]), only=True)
    assert telling.told[made].reason is None
    assert telling.told[alone].reason.name == "no_session"  # type: ignore[union-attr]
