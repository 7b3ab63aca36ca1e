"""The kind of a change and its size, told by words first and by the diff after."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mine.building import Repository, mined

from worktrial.formats.candidate import FileChange, Role
from worktrial.formats.provenance import WorkKind
from worktrial.mine.work import difficulty_of, work_asked, work_of


def file(path: str, added: int, removed: int = 0, *, role: Role = "source", status: str = "M") -> FileChange:
    return FileChange.model_validate({"path": path, "status": status, "role": role, "added": added, "removed": removed})


PLAIN = (file("a.py", 9, 8), file("test_a.py", 9, role="test"))


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("Fix callable defaults", "bug_fix"),
        ("fix(core): use a list", "bug_fix"),
        ("feat: remove the limit", "new_code"),
        ("click.style: add support for colours", "new_code"),
        ("Add an option to skip", "new_code"),
        ("Refactor the pager", "refactoring"),
        ("rename resultcallback to result_callback", "refactoring"),
        ("Does not crash on empty input any more", "bug_fix"),
        ("please make the help text configurable", "new_code"),
        ("I think we can also remove the whole logic of blocking", "refactoring"),
        ("ok, could we add a flag that does not fail?", "new_code"),
        ("I'd like you to rename it so that no error is hidden", "refactoring"),
        ("Review the parser", "review"),
        ("Revert adding space", "other"),
        ("Odds and ends", "other"),
        ("Odds and ends\n\nThis adds support for sets.", "new_code"),
    ],
)
def test_the_words_tell_the_kind(prompt: str, kind: WorkKind) -> None:
    work = work_of(prompt, PLAIN)
    assert work.kind == kind
    assert work.rule


def test_tests_are_the_work_where_little_source_changed() -> None:
    little = (file("a.py", 1), file("test_a.py", 90, role="test"))
    assert work_of("Add tests for the parser", little).kind == "tests"
    assert work_of("Add tests for the parser", PLAIN).kind == "new_code"


def test_the_diff_tells_where_the_words_do_not() -> None:
    assert work_of("Odds", (file("b.py", 60, status="A"),)).rule == "new source file"
    assert work_of("Odds", (file("b.py", 60, 2),)).kind == "new_code"
    assert work_of("Odds", (file("b.py", 60, 50),)).kind == "other"


@pytest.mark.parametrize(
    ("prompts", "message", "kind"),
    [
        (("commit this", "push"), "Keep the order of names on export", "bug_fix"),
        (("let's look at the lexer first", "go ahead"), "feat(lexer): floats", "new_code"),
        (("start with the first", "all of them"), "Review feedback", "review"),
        (("Let's split the lexer in two", "yes"), "Lexer", "refactoring"),
        (("The lexer returns one token instead of two. Add a test too.",), "Lexer", "bug_fix"),
        (("What does it do?", "Could you add an option that turns it off?"), "wip", "new_code"),
    ],
)
def test_message_and_prompts_tell_the_kind_together(prompts: tuple[str, ...], message: str, kind: WorkKind) -> None:
    work = work_asked(prompts, message, PLAIN)
    assert work.kind == kind
    assert work.rule


def test_what_only_takes_away_is_refactoring_and_what_has_no_source_none() -> None:
    assert work_asked(("that is dead",), "Flags", (file("a.py", 2, 90),)).kind == "refactoring"
    assert work_asked(("why?",), "Flags", (file("test_a.py", 9, role="test"),)).kind == "tests"
    assert work_asked(("why?",), "Flags", (file("a.yml", 9, role="config"),)).kind == "other"


def test_tests_do_not_count_to_the_size_and_documents_not_to_the_difficulty() -> None:
    changes = (file("a.py", 3, 2), file("docs.rst", 500, role="docs"), file("test_a.py", 900, role="test"))
    work = work_of("Fix it", changes)
    assert (work.lines, work.files, work.difficulty) == (505, 2, "small")


@given(st.integers(0, 1000), st.integers(0, 50), st.integers(0, 1000), st.integers(0, 50))
def test_more_is_never_less_difficult(lines: int, files: int, more_lines: int, more_files: int) -> None:
    order = ["small", "medium", "large"]
    less, more = difficulty_of(lines, files), difficulty_of(lines + more_lines, files + more_files)
    assert order.index(less) <= order.index(more)


@given(st.text())
def test_any_prompt_has_a_kind(prompt: str) -> None:
    assert work_of(prompt, PLAIN).rule


def test_mined_candidates_say_what_work_they_are(repo: Repository) -> None:
    repo.change("Add one", "one")
    work = mined(repo.path).candidates[0].work
    assert work is not None
    assert (work.kind, work.difficulty, work.lines, work.files) == ("new_code", "small", 4, 1)
