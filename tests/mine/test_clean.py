"""Prompts lead neither to the solution nor to people, and still read as requests."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.mine.clean import MAX_CHARACTERS, clean

SHA = "06847da9126a99c88bf347adf213d33bfe4e4af2"
PULL = "https://github.com/pallets/click/pull/3030"

READS = [
    # Titles.
    ("Fix Zsh completions (#2846)", "Fix Zsh completions"),
    ("Fixed #12345 -- Made it faster.", "Made it faster."),
    ("[#12] Make it faster", "Make it faster"),
    ("#12: Make it faster", "Make it faster"),
    ("fix: #12 crash on empty input", "fix: crash on empty input"),
    ("Hide the progress bar #2609 (#2727)", "Hide the progress bar"),
    ("Close contexts during completion #2644. (#2800)", "Close contexts during completion."),
    ("Make it faster, see #12.", "Make it faster."),
    ("Make it faster - fixes #12", "Make it faster"),
    ("Make it faster (refs #12, #13)", "Make it faster"),
    ("Make it faster (#7)\n\nMake it faster, closing #6", "Make it faster"),
    # Sentences of their own.
    ("Make it faster.\n\nFixes #12, closes GH-13.", "Make it faster."),
    ("Make it faster.  This fixes #12", "Make it faster."),
    (f"Make it faster\n\nSee also: {PULL}", "Make it faster"),
    (f"Make it faster\n\nAddress:\n{PULL}/files#r1\n{PULL}/files#r2", "Make it faster"),
    ("Make it faster\n\n- Closes #12\n- Keep the order", "Make it faster\n\n- Keep the order"),
    (f"Make it faster\n\nSee\n{PULL}\n\nKeep the order", "Make it faster\n\nKeep the order"),
    (f"Make it faster\n\nRef #12 &\n{PULL}", "Make it faster"),
    # In the middle of sentences.
    (
        "Fix regression introduced in 8.4.0 by #3126 and properly fix #3043 and #3502",
        "Fix regression introduced in 8.4.0 by an earlier change and properly fix the reported issues",
    ),
    ("Users asked for it in #426, often.", "Users asked for it in the reported issue, often."),
    ("Add tests for issue #12", "Add tests for the reported issue"),
    ("Reverts part of PR #12.", "Reverts part of an earlier change."),
    (f"See {PULL} for details", "See the reported issue for details"),
    (f"See [the talk]({PULL}) and [docs](https://docs.python.org/3/x.html).",
     "See the talk and [docs](https://docs.python.org/3/x.html)."),
    # Hashes.
    (f"Broken since commit {SHA}.", "Broken since an earlier commit."),
    ("Undo 262bdf0 and 06847da", "Undo earlier commits"),
    (f"Keep the order ({SHA[:9]})", "Keep the order"),
    (f"Keep the order\n\nAmends: {SHA}", "Keep the order"),
    ("Fails with 8.1-3-g262bdf0", "Fails with 8.1-3"),
    (f"See https://github.com/a/b/blob/{SHA}/x.py#L3 there", "See the reported issue there"),
    # Trailers and people.
    ("Add one\n\nCo-authored-by: A B <a@b.org>\nSigned-off-by: A\nChange-Id: I0123456789abcdef", "Add one"),
    ("Add one\n\n---------\n\nCo-authored-by: A B <a@b.org>", "Add one"),
    (f"Add one\n\n(cherry picked from commit {SHA})", "Add one"),
    ("Add one\n\ngit-svn-id: https://svn.x.org/trunk@12 0123-4567", "Add one"),
    # Forms.
    ("Add one\n\n<!-- Describe\nit -->\n\n- [x] tests\n- [ ] docs\n", "Add one"),
    ("Merge pull request #7 from me/x\n\nAdd one", "Add one"),
    ("Add one\n\nSee merge request group/pkg!7", "Add one"),
    ("Add one\n\n# Conflicts:\n#\tCHANGES.rst", "Add one"),
    # Code.
    ("Add one\n\n```diff\n-x = 0\n+x = 1\n```\nThanks", "Add one\n\nThanks"),
    ("Add one\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x = 0\n+x = 1", "Add one"),
]  # fmt: skip

UNTOUCHED = [
    "Add a facade to the accessed feedback of decades",
    "Handle 20240131 and 1234567, and 1000000e5",
    "Colour #1a2b3c4 and `#12` and issue numbers like `fix #12`",
    "Keep 550e8400-e29b-41d4-a716-446655440000 as it is",
    "Parse user@example.com and git@github.com:a/b",
    "Add one, as A B <a.b@corp.com> asked",
    "Use 0xdeadbeef1 as the mask",
    "See https://docs.python.org/3/library/re.html and PEP 8",
    "Call it:\n\n    call(1, 2)\n\n```python\ncall(3)\n```\n\nand wait",
    "Add `@app.route` and foo() and C#",
    "- one\n- two\n\n1. three",
    "Fix: keep the order",
    "Cc and bcc: both must be headers" ,
    "Note: use foo",
]  # fmt: skip


@pytest.mark.parametrize(("message", "prompt"), READS)
def test_what_leaks_is_taken_out_so_that_the_rest_reads_well(message: str, prompt: str) -> None:
    cleaned = clean(message)
    assert cleaned.prompt == prompt
    assert cleaned.removed


@pytest.mark.parametrize("message", UNTOUCHED)
def test_what_leaks_nothing_stays(message: str) -> None:
    cleaned = clean(message)
    assert (cleaned.prompt, cleaned.removed) == (message, ())


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        (f"Fix {SHA}", ["hash"]),
        (f"Fix {PULL} now", ["link"]),
        ("Fix (#12)", ["reference"]),
        ("Fix\n\nReviewed-by: A", ["trailer"]),
        ("Fix\n\n- [x] done", ["template"]),
        ("Fix\n\n```diff\n-x\n```", ["code"]),
    ],
)
def test_every_removal_is_listed_with_its_kind(message: str, kinds: list[str]) -> None:
    assert [removal.kind for removal in clean(message).removed] == kinds


def test_a_word_that_is_no_hash_to_look_at_goes_when_it_begins_a_commit() -> None:
    assert clean("Broken by 1234567", is_commit="1234567".__eq__).prompt == "Broken by an earlier commit"
    assert clean("Broken by DEADBEE", is_commit="deadbee".__eq__).prompt == "Broken by an earlier commit"


@pytest.mark.parametrize("block", ["```python\n{}\n```", "    {}"])
def test_code_that_the_solution_adds_goes_and_other_code_stays(block: str) -> None:
    text = "Fix it:\n\n" + block.format("return value + 1") + "\n\nplease"
    assert clean(text, solution={"return value + 1"}).prompt == "Fix it:\n\nplease"
    assert clean(text, solution={"return value + 2"}).prompt == text


def test_a_message_without_end_is_cut_and_the_rest_listed() -> None:
    cleaned = clean("Add one\n\n" + "word\n\n" * MAX_CHARACTERS)
    assert len(cleaned.prompt) <= MAX_CHARACTERS
    assert [removal.kind for removal in cleaned.removed] == ["template"]


PIECES = st.sampled_from([
    *(part for message, _ in READS for part in re.split(r"(\s+)", message)),
    SHA, SHA[:7], PULL, "#12", "(#12)", "`", "```", "\n", "\n\n", " ", "fix", "see", "a@b.org", "and", ",", ".", ":",
    "-", "[", "]", "(", ")", "<!--", "-->", "    ", "@@ -1 +1 @@", "---", "diff --git a b", "Change-Id: I1", "commit",
])  # fmt: skip
MESSAGES = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join), st.lists(PIECES, max_size=30).map(" ".join))


@given(MESSAGES)
def test_what_is_clean_stays_clean(message: str) -> None:
    cleaned = clean(message)
    again = clean(cleaned.prompt)
    assert (again.prompt, again.removed) == (cleaned.prompt, ())


@given(MESSAGES)
def test_no_removed_hash_or_link_is_left(message: str) -> None:
    cleaned = clean(message)
    for removal in cleaned.removed:
        if removal.kind == "hash":
            assert not re.search(rf"(?<![\w#-]){removal.text}(?!\w|-[0-9a-f]{{4}}-)", cleaned.prompt)
        if removal.kind == "link":
            assert removal.text not in cleaned.prompt
    assert not re.search(rf"(?<!\w){SHA}(?!\w|-[0-9a-f]{{4}}-)", cleaned.prompt)


@given(MESSAGES)
def test_a_prompt_is_tidy(message: str) -> None:
    prompt = clean(message).prompt
    assert prompt == prompt.strip()
    assert "\n\n\n" not in prompt
    assert not re.search(r"[ \t]$", prompt, re.MULTILINE)
