"""Prompts that cannot be tasks are told by what they refer to and what they ask for, each with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mine.building import Repository, mined

from worktrial.mine.asking import RULES, judge_prompt
from worktrial.mine.filters import REASONS
from worktrial.mine.standing import ALWAYS, LOST, LOST_AND_SHORT
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
    ("Add the option as we discussed", "refers_to_talk", "earlier_talk"),
    ("Implement the cache as agreed", "refers_to_talk", "earlier_talk"),
    ("Build the cache following docs/CACHE_PLAN.md", "template", "plan_file"),
    ("I renamed the lexer, please fix the tests of it", "refers_to_solution", "work_in_progress"),
    ("Yes, add the option to the parser", "refers_to_talk", "answer"),
    ("1. yes, rename the lexer\n2. add the option to the parser", "refers_to_talk", "answer"),
    ("Fix the parser and continue from where you left off", "refers_to_talk", "going_on"),
    ("Add a test for the lexer that you just wrote", "refers_to_talk", "what_was_done"),
    ("Rename the lexer and implement suggestion 2", "refers_to_talk", "numbered"),
    ("can you fix the failing tests / build", "refers_to_talk", "failing_state"),
    ("Clean up any style issues you notice", "refers_to_talk", "whatever_there_is"),
    ("can you build it with the new flag and make the flag optional?", "refers_to_talk", "nothing_before"),
    ("could we change this to use the configured user?", "refers_to_talk", "pointing"),
    ("Add a cache to the parser. Do not change anything, just report how you would", "not_testable", "look"),
    ("Make a plan to split the lexer in two and to rename its rules", "not_testable", "look"),
    ("Update the spec with these:\n1. Change the default of `size` to 5", "not_testable", "documentation"),
    ("update from our parent branch ann/lexer", "not_testable", "git"),
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
    ("instead of finish call it end, and reuse the same PR", "refers_to_solution", "pull_request"),
    ("the integration tests are still failing", "refers_outside", "ci_run"),
    ("give me all the commands that I need to try it", "not_testable", "look"),
    ("show me the new layout of the folders", "not_testable", "look"),
    ("if people merge by hand, then deleting is theirs to do, right", "not_testable", "question"),
    ("we should update the ADRs then", "not_testable", "documentation"),
    ("close the issues that are done", "not_testable", "git"),
    ("yes make the improvements now", "too_vague", "nothing"),
    ("go ahead and implement all of them", "too_vague", "nothing"),
    (
        "=== RUN   TestLexer\n--- FAIL: TestLexer (0.01s)\n    lexer_test.go:12: wrong token\nFAIL",
        "too_vague",
        "nothing",
    ),
    ('dev@laptop shop % curl -s localhost\n{"status": "failed",\n"error": "no"}', "too_vague", "nothing"),
    ("I don\u2019t understand the purpose of the watch command", "too_vague", "unknown"),
    ("we don't need another table, the old one is good enough", "too_vague", "unknown"),
    ("it is still worth keeping the page as an adapter", "too_vague", "unknown"),
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
    "could we change the loader to use the configured user?",
    "Make it possible to give several folders to the loader",
    "I am having problems if I start the loader in a folder below the root, it is not reading the settings. why?",
    "The loader reads each file twice and should keep what it read. Fix it.",
    "Make the README parser accept front matter",
    "Support UTF-8 and ISO-8859 input, and SHA-256 digests.",
    "Rename `getUser` to `get_user` everywhere and update the docs, then commit.",
    "This lookup is in three places. Consider extracting it into a helper of the lexer.",
    "we should be using the strong types instead of strings wherever we can",
    "perhaps the correct fix is to show them grouped by kind, each with its first line",
    "In the loader, I\u2019d like us to make a literal structure that is compared directly",
    "Binary files are not filtered where the tree is read, and their lines are counted.",
    "The parser must reject names that begin with a digit.",
    "Add another flag to the loader, which takes a folder, and remove the first newline",
    "Give users a way to turn it off: a flag `--quiet` of the parser.",
    "I get an error from the lexer:\n\n```\nKeyError: 'x'\n```\nFix the lexer so that it takes any letter.",
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


GOES_ON = [
    ("write `save_all` the same as before", "in_between"),
    ("Still failed in `load_all`:\n\n    KeyError: x", "reaction"),
    ("Here is the error of the other terminal: it does not find loader.py", "reaction"),
    ("Fix that loader: `load_all` reads each file twice", "reaction"),
    ("Great work. Now implement those changes in `load_all`, it must read each file once", "reaction"),
    ("## Rollout\n\n1. Add the flag `cache_enabled` to the loader", "part_of_a_document"),
    ("ok, rename `load` please", "short_answer"),
    ("or we could make `load_all` read once", "points_back"),
    ("can we add an integration test for the cache?", "names_nothing"),
    ("remove the old plumbing", "names_nothing"),
]


@pytest.mark.parametrize(("prompt", "rule"), GOES_ON)
def test_what_goes_on_with_talk_that_is_not_given_leans_on_it(prompt: str, rule: str) -> None:
    found = judge_prompt(prompt, "prompt", before="lost")
    assert found is not None
    assert (found.name, found.detail.partition(":")[0]) == ("refers_to_talk", rule)


@pytest.mark.parametrize("prompt", [prompt for prompt, _ in GOES_ON])
def test_what_follows_talk_that_is_given_may_lean_on_it(prompt: str) -> None:
    found = judge_prompt(prompt, "prompt", before="given")
    assert found is None or found.name != "refers_to_talk"


@pytest.mark.parametrize(
    "prompt",
    [
        "The lookup of settings is in load.py and in `save_all`. Extract it into a helper.",
        "Great, new change: when the loader makes a folder, `make_folder` should begin to count at 1",
        "`load_all` opens every file without a limit. Consider adding a limit, or reading them one by one.",
    ],
)
def test_what_names_its_subject_is_kept_in_the_middle_of_a_session(prompt: str) -> None:
    assert judge_prompt(prompt, "prompt", before="lost") is None


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
    assert {rule.name for rule in RULES} | {name for name, _ in ALWAYS} <= {rule for _, _, rule in REFUSED}
    assert {name for name, _ in (*LOST, *LOST_AND_SHORT)} <= {rule for _, rule in GOES_ON}


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    reason = judge_prompt(text, "prompt")
    assert reason is None or reason.name in REASONS
    assert wish_of(text)


@settings(deadline=None)
@given(
    st.integers(1, 400),
    st.sampled_from(
        [
            "fix ",
            "a b ",
            "can we ",
            "in the ",
            "- ",
            "see http",
            "[",
            "pr 1 ",
            "review ",
            "yes ",
            "go ahead and ",
            "a/b.",
        ]
    ),
)
def test_long_prompts_take_no_time_out_of_proportion(times: int, word: str) -> None:
    judge_prompt(word * times * 20, "prompt", before="lost")
