"""Who wrote the lines that landed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from worktrial.formats.session import CommandRun, FileEdit, Session, Turn
from worktrial.mine.known import Known
from worktrial.mine.marks import Noted, marks_of, parse_note, parse_trace
from worktrial.mine.proposals import Line, Proposals
from worktrial.mine.provenance import Attributed, attribute

PATH = "src/pkg/core.py"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
WORDS = st.lists(
    st.sampled_from(["alpha", "beta", "gamma", "delta", "return", "if", "x", "=", "1"]), min_size=1, max_size=6
)
LINES = st.lists(WORDS.map(" ".join), max_size=12)


def of(*edits: FileEdit, at: datetime = NOW, commands: tuple[str, ...] = ()) -> Proposals:
    runs = tuple(CommandRun(text=text) for text in commands)
    return Proposals(
        Session(source="s", id="s", turns=(Turn(prompt="p", at=at, edits=edits, commands=runs, models=("m",)),))
    )


def proposed(
    *lines: str, path: str = PATH, outcome: str = "accepted", written: tuple[str, ...] | None = None
) -> FileEdit:
    return FileEdit.model_validate(
        {"path": path, "kind": "replace", "outcome": outcome, "added": lines, "written": written, "model": "m"}
    )


def landed(*texts: str, path: str = PATH) -> list[Line]:
    return [Line(path, text) for text in texts]


def hands(found: list[Attributed]) -> list[str]:
    return [one.hand for one in found]


@given(LINES, LINES)
def test_every_landed_line_has_one_hand_whatever_was_proposed(texts: list[str], others: list[str]) -> None:
    found = attribute(landed(*texts), [of(proposed(*others))])
    assert [one.line.text for one in found] == texts
    assert set(hands(found)) <= {"agent", "changed", "human"}


@given(LINES)
def test_what_was_proposed_so_is_all_the_agents(texts: list[str]) -> None:
    found = attribute(landed(*texts), [of(proposed(*(f"    {text}  " for text in texts)))])
    assert set(hands(found)) <= {"agent"}
    assert all(one.model == "m" for one in found)


@given(LINES)
def test_without_a_session_everything_is_a_persons(texts: list[str]) -> None:
    assert set(hands(attribute(landed(*texts), []))) <= {"human"}


@given(LINES, LINES, LINES)
def test_a_further_session_takes_no_line_from_the_agents(texts: list[str], one: list[str], more: list[str]) -> None:
    first = of(proposed(*one))
    before = Counter(hands(attribute(landed(*texts), [first])))
    after = Counter(hands(attribute(landed(*texts), [first, of(proposed(*more))])))
    assert after["agent"] >= before["agent"]
    assert after["human"] <= before["human"]


@given(LINES)
def test_what_was_rejected_or_failed_is_nobodys_proposal(texts: list[str]) -> None:
    for outcome in ("rejected", "failed"):
        assert set(hands(attribute(landed(*texts), [of(proposed(*texts, outcome=outcome))]))) <= {"human"}


def test_a_line_changed_by_hand_counts_as_changed_once_its_own_did_not_land() -> None:
    offer = of(proposed("total_length = len(values) + 1", "return total_length"))
    found = attribute(landed("total_length = len(values) + 2", "return total_length", "print('by hand')"), [offer])
    assert hands(found) == ["changed", "agent", "human"]


def test_a_line_like_one_that_landed_itself_is_a_persons_own() -> None:
    offer = of(proposed("total_length = len(values)"))
    found = attribute(landed("total_length = len(values)", "total_width = len(values)"), [offer])
    assert hands(found) == ["agent", "human"]


def test_what_a_person_wrote_over_the_offer_in_the_agents_tool_is_changed() -> None:
    offer = of(proposed("limit_of_length = 1", "other_setting = 2", outcome="changed",
                        written=("limit_of_length = 100", "other_setting = 2")))  # fmt: skip
    assert hands(attribute(landed("limit_of_length = 100", "other_setting = 2"), [offer])) == ["changed", "agent"]


def test_plain_lines_count_only_in_their_own_file() -> None:
    offer = of(proposed("}", "measure_the_length()", path="a.py"))
    assert hands(attribute(landed("}", "measure_the_length()", path="b.py"), [offer])) == ["human", "agent"]
    assert hands(attribute(landed("}", path="deep/in/a.py"), [offer])) == ["agent"]


def test_lines_written_by_a_command_are_the_agents() -> None:
    offer = of(commands=("cat > core.py <<'EOF'\ndef measure_length():\n    pass\nEOF",))
    assert hands(attribute(landed("def measure_length():", "pass"), [offer])) == ["agent", "human"]


def test_what_was_proposed_after_the_change_landed_says_nothing() -> None:
    late = of(proposed("measure_the_length()"), at=NOW + timedelta(hours=1))
    assert hands(attribute(landed("measure_the_length()"), [late], NOW)) == ["human"]


def test_the_last_proposal_names_the_model() -> None:
    first = of(proposed("measure_the_length()"), at=NOW - timedelta(hours=1))
    second = of(proposed("measure_the_length()").model_copy(update={"model": "later"}))
    assert attribute(landed("measure_the_length()"), [second, first])[0].model == "later"


# -- what is written on commits --


def commit(message: str, author: str = "A <a@example.org>") -> Known:
    return Known("1" * 40, (), NOW, NOW, author, message)


def test_trailers_tell_checkpoints_shares_tools_and_models() -> None:
    squash = commit(
        "Add\n\n* one\n\nEntire-Checkpoint: a3b2c4d5e6f7\nEntire-Attribution: 50% agent (10/20 lines)\n\n* two\n\n"
        "Entire-Checkpoint: B3B2C4D5E6F7\nEntire-Attribution: 100% agent (60/60 lines)\n"
        "Co-authored-by: aider (gpt-5) <aider@aider.chat>\nCo-authored-by: Claude Opus 4.5 <noreply@anthropic.com>"
    )
    marks = marks_of(squash)
    assert marks.checkpoints == ("a3b2c4d5e6f7", "b3b2c4d5e6f7")
    assert marks.stated_share == 70 / 80
    assert marks.tools == ("aider", "claude_code")
    assert marks.models == ("gpt-5", "Claude Opus 4.5")


def test_an_author_may_be_a_tool() -> None:
    assert marks_of(commit("x", "copilot-swe-agent[bot] <1+Copilot@users.noreply.github.com>")).tools == ("copilot",)
    assert marks_of(commit("x", "Jo (aider) <jo@example.org>")).tools == ("aider",)
    assert marks_of(commit("mentions noreply@anthropic.com in its text")).tools == ()


def test_older_notes_name_their_sessions_under_prompts() -> None:
    text = 'a.py\n  abc 1-3,7\n---\n{"prompts": {"abc": {"agent_id": {"tool": "cursor", "id": "c-1", "model": "m"}}}}'
    assert parse_note(text) == Noted(("c-1",), ("m",), 4, 0)


@given(st.text())
def test_no_note_or_trace_however_odd_raises(text: str) -> None:
    parse_note(text)
    parse_note(f"a.py\n  s_1 {text}\n---\n" + '{"sessions": {"s": {"agent_id": []}}}')
    parse_trace({"vcs": text, "files": [text, {"conversations": [{"ranges": [{"start_line": text}]}]}]})


@given(st.text())
def test_no_message_however_odd_raises(text: str) -> None:
    marks = marks_of(commit(text + "\nEntire-Attribution: 250% agent (9/3 lines)"))
    assert marks.stated_share is None or 0 <= marks.stated_share <= 1
