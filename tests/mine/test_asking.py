"""Prompts that cannot be tasks are told by what they refer to and what they ask for, each with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mine.building import Repository, mined

from worktrial.mine.asking import RULES, judge_prompt
from worktrial.mine.filters import REASONS
from worktrial.mine.wishes import wish_of

REFUSED = [
    ("/review", "template", "slash_command"),
    ("<command-name>/init</command-name>", "template", "slash_command"),
    (
        "This session is being continued from a previous conversation that ran out of context.",
        "template",
        "continuation",
    ),
    ("Base directory for this skill: /x/y", "template", "skill_or_harness"),
    ("Reply with exactly OK.", "template", "skill_or_harness"),
    ("Implement the following plan:\n\n# Plan\n\n1. Do it", "template", "plan_of_an_agent"),
    ("Add {{ feature }} to the parser", "template", "blanks_to_fill"),
    ("Make the parser do it as in the diff", "refers_to_solution", "diff_or_patch"),
    ("Use the parser from 1a2b3c4d5", "refers_to_solution", "commit_id"),
    ("Add a test for the case of this PR", "refers_to_solution", "pull_request"),
    ("Fix the lexer, see https://github.com/a/b/pull/7", "refers_to_solution", "pull_request"),
    ("Fix the tests for the changes in this branch", "refers_to_solution", "work_in_progress"),
    ("Fix the layout [Image #1]", "refers_outside", "picture"),
    ("Make it look like the attached screenshot", "refers_outside", "picture"),
    ("Fix what Ann described in Slack", "refers_outside", "conversation"),
    ("Fix ENT-259", "refers_outside", "ticket"),
    ("Fix issue #12", "refers_outside", "ticket"),
    ("Fix https://github.com/a/b/issues/12", "refers_outside", "page_of_a_forge"),
    ("Implement the protocol, see https://spec.corp.io/v2", "refers_outside", "page"),
    ("Address the review comments", "refers_outside", "review_alone"),
    ("Take care of the bugbot comment on parsing", "refers_outside", "review"),
    ("Add the option as we discussed", "refers_outside", "earlier_talk"),
    ("Read ~/Downloads/spec.pdf and implement it", "refers_outside", "folder_elsewhere"),
    ("The build is red", "refers_outside", "ci_run"),
    ("Call it with my api key from the env and fix the result", "needs_service", "key"),
    ("Connect with [openai-key-1] and fix the answer", "needs_service", "key"),
    ("Fix the query against the production database", "needs_service", "deployed_system"),
    ("Why does the parser skip empty lines?", "not_testable", "question"),
    ("can you explain how the lexer works", "not_testable", "look"),
    ("please update the README with the new option", "not_testable", "documentation"),
    ("commit and push", "not_testable", "git"),
    ("create a draft PR", "not_testable", "git"),
    ("mise run lint fails", "not_testable", "lint"),
    ("ok do it", "too_vague", "nothing"),
    ("yes", "too_vague", "nothing"),
]

KEPT = [
    "Fix the parser: it skips empty lines",
    "can you add a `--strict` option to the parser that raises on unknown keys?",
    "Ensure that JSON parsing of settings.json is strict - fail if any unrecognised keys are present.",
    "When the folder doesn't exist, this fails. Let's create it as needed.",
    "I want to invert that flag: by default it should be true.",
    "Replace the custom contains with the standard library's.",
    "Parsing 'a,,b' returns two fields instead of three",
    "could we change this to use the configured user?",
    "Make the README parser accept front matter",
    "Support UTF-8 and ISO-8859 input, and SHA-256 digests.",
    "Rename `getUser` to `get_user` everywhere and update the docs, then commit.",
    "How about this: if there is no folder, create one.\n- read the count\n- add one to it",
]


@pytest.mark.parametrize(("prompt", "reason", "rule"), REFUSED)
def test_what_cannot_be_a_task_is_turned_down_for_a_reason(prompt: str, reason: str, rule: str) -> None:
    found = judge_prompt(prompt, "prompt")
    assert found is not None
    assert (found.name, found.detail.partition(":")[0]) == (reason, rule)


@pytest.mark.parametrize("prompt", KEPT)
def test_a_wish_for_a_change_that_stands_by_itself_is_kept(prompt: str) -> None:
    assert judge_prompt(prompt, "prompt") is None


@pytest.mark.parametrize(
    "message",
    [
        "Update README handling",
        "Fixes #12",
        "Fix the notion of a call",
        "Why not",
        "Ensure it is set in the call",
        "yes",
    ],
)
def test_a_commit_message_is_not_held_to_what_prompts_are(message: str) -> None:
    assert judge_prompt(message, "message") is None


def test_a_message_that_only_points_at_a_review_or_a_picture_is_turned_down(repo: Repository) -> None:
    repo.change("Address review comments", "one")
    repo.change("Draw it as in the attached screenshot", "two")
    result = mined(repo.path)
    found = {rejection.subject: (rejection.reason, rejection.detail) for rejection in result.rejections}
    assert found["Address review comments"] == ("refers_outside", "review_alone: Address review comments")
    assert found["Draw it as in the attached screenshot"] == ("refers_outside", "picture: attached")


def test_every_reason_is_known_and_every_rule_has_a_case() -> None:
    assert {rule.reason for rule in RULES} <= REASONS.keys()
    assert {rule.name for rule in RULES} <= {rule for _, _, rule in REFUSED}


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    reason = judge_prompt(text, "prompt")
    assert reason is None or reason.name in REASONS
    assert wish_of(text)


@settings(deadline=None)
@given(
    st.integers(1, 400),
    st.sampled_from(["fix ", "a b ", "can we ", "in the ", "- ", "see http", "[", "pr 1 ", "review "]),
)
def test_long_prompts_take_no_time_out_of_proportion(times: int, word: str) -> None:
    judge_prompt(word * times * 20, "prompt")
