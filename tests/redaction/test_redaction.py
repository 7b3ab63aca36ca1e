"""Secrets and people are gone from every text, and what only looks like them is left."""

from __future__ import annotations

import json
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.redaction.planted import AUTHORS, LOOK_ALIKES, Maker, Planted, assignments, identities, keys, people

from worktrial.redaction.keys import entropy, looks_secret
from worktrial.redaction.people import Identities, KnownNames
from worktrial.redaction.redactor import SECRETS, Redactor

KNOWN = KnownNames(identities())
MAKE = Maker(11)
PLANTED = [*keys(MAKE), *assignments(MAKE), *people(MAKE)]


def as_prompt(lines: list[str]) -> str:
    return "Please look at this.\n\n" + "\n".join(f"It says: {line}" for line in lines) + "\n\nThanks"


def as_diff(lines: list[str]) -> str:
    rows = [row for line in lines for row in line.split("\n")]
    body = "".join(f"+{row}\n" for row in rows)
    return f"diff --git a/x b/x\nindex 4b825dc..e69de29 100644\n--- a/x\n+++ b/x\n@@ -0,0 +1,{len(rows)} @@\n{body}"


def as_log(lines: list[str]) -> str:
    return "\n".join(json.dumps({"at": n, "text": line}, ensure_ascii=False) for n, line in enumerate(lines))


TEXTS = [as_prompt, as_diff, as_log]


def test_at_least_two_hundred_are_planted() -> None:
    assert len(PLANTED) >= 200
    assert len({item.value for item in PLANTED}) >= 190


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_planted_is_left_in_a_text_of_all_of_them(text: object) -> None:
    redacted = Redactor(KNOWN).text(text([item.line for item in PLANTED]), "here")  # type: ignore[operator]
    assert [item for item in PLANTED if item.value in redacted] == []


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_planted_is_left_where_it_stands_alone(text: object) -> None:
    left = [item for item in PLANTED if item.value in Redactor(KNOWN).text(text([item.line]), "here")]  # type: ignore[operator]
    assert left == []


@pytest.mark.parametrize("line", LOOK_ALIKES)
def test_what_only_looks_like_it_is_left(line: str) -> None:
    redactor = Redactor(KNOWN)
    assert redactor.text(line, "here") == line
    assert redactor.found() == ()


def test_the_same_value_gets_the_same_placeholder_and_another_the_next() -> None:
    redactor = Redactor(KNOWN)
    assert redactor.text("a.b@corp.io, c.d@corp.io, A.B@corp.io", "one") == "[email-1], [email-2], [email-1]"
    assert redactor.text("c.d@corp.io", "two") == "[email-2]"
    assert Redactor(KNOWN).text("c.d@corp.io", "two") == "[email-1]"


def test_what_was_replaced_is_listed_by_kind_and_place_without_its_value() -> None:
    redactor = Redactor(KNOWN)
    redactor.text("a.b@corp.io and c.d@corp.io by Marta Kowalczyk", "prompt")
    redactor.text("/home/mkow/x", "log")
    listed = [(item.where, item.kind, item.count) for item in redactor.found()]
    assert listed == [("prompt", "email", 2), ("prompt", "name", 1), ("log", "user", 1)]


@pytest.mark.parametrize(
    ("said", "redacted"),
    [
        ("Marta\n Kowalczyk did", "[name-1]\n did"),
        ("Kowalczyk, Marta", "[name-1]"),
        ("marta-kowalczyk", "[name-1]"),
        ("thanks Marta!", "thanks [name-1]!"),
        ("Marta is a name", "Marta is a name"),
        ("github.com/zplatform/x", "github.com/[name-1]/x"),
        ("the zplatform module", "the zplatform module"),
    ],
)
def test_a_name_is_found_in_its_forms_and_a_lone_word_only_where_someone_is_meant(said: str, redacted: str) -> None:
    assert Redactor(KNOWN).text(said, "here") == redacted


def test_a_diff_keeps_its_lines_and_their_signs() -> None:
    block = MAKE.block("RSA ")[0]
    diff = as_diff(["a = 1", block, 'b = "x"'])
    redacted = Redactor().text(diff, "here")
    assert [line[:1] for line in redacted.split("\n")] == [line[:1] for line in diff.split("\n")]
    assert "PRIVATE" not in redacted


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    assert Redactor().data(b"\xff\xfe a.b@corp.io \x00", "here") == b"\xff\xfe [email-1] \x00"


def test_json_is_redacted_in_its_values() -> None:
    value = {"a.b@corp.io": ["a.b@corp.io", 1, None], "t": ("x",)}
    assert Redactor().json(value, "here") == {"a.b@corp.io": ["[email-1]", 1, None], "t": ("x",)}


def test_robots_and_nobodies_are_no_authors() -> None:
    robots = [
        ("dependabot[bot]", "x@y.org"),
        ("GitHub", "noreply@github.com"),
        ("root", "root@localhost"),
        ("", "a@b.io"),
    ]
    assert Identities.of_authors(robots) == Identities()


def test_many_authors_cost_no_more_than_few() -> None:
    chance = random.Random(1)
    names = [("".join(chance.choices(string.ascii_lowercase, k=7)).title() + " Smith", "") for _ in range(20_000)]
    known = KnownNames(Identities.of_authors([*names, *AUTHORS]))
    assert Redactor(known).text("word " * 20_000 + "Marta Kowalczyk", "here").endswith("[name-1]")


PIECES = st.sampled_from(
    [item.line for item in PLANTED] + LOOK_ALIKES + ["\n", " ", "=", ":", '"', "@", "/", "-", "[email-1]", "[secret-2]"]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map(" ".join), st.lists(PIECES, max_size=12).map("".join)))
def test_what_is_redacted_stays_as_it_is_and_keeps_its_lines(text: str) -> None:
    once = Redactor(KNOWN).text(text, "here")
    assert Redactor(KNOWN).text(once, "here") == once
    assert once.count("\n") == text.count("\n")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["+", "-", " ", "@@ ", ""]), PIECES | st.text(max_size=20)), max_size=12))
def test_a_patch_keeps_all_its_lines_and_what_it_does_not_add(parts: list[tuple[str, str]]) -> None:
    patch = "\n".join(sign + text.replace("\n", "\n" + sign) for sign, text in parts).encode("utf-8", "surrogatepass")
    before, after = patch.split(b"\n"), Redactor(KNOWN).patch(patch, "here").split(b"\n")
    assert [line for line in before if not line.startswith(b"+")] == [
        line for line in after if not line.startswith(b"+")
    ]
    assert len(before) == len(after)


def test_what_a_patch_adds_holds_nothing_that_was_planted() -> None:
    added = "\n".join("+" + line for item in PLANTED for line in item.line.split("\n"))
    redacted = Redactor(KNOWN).patch(f"-a@corp.io\n{added}\n+x@corp.io".encode(), "here").decode()
    assert [item for item in PLANTED if item.value in redacted] == []
    assert redacted.startswith("-a@corp.io\n")
    assert redacted.split("\n")[-1].startswith("+[email-")


@given(st.text())
def test_a_secret_is_long_and_not_monotonous(text: str) -> None:
    if looks_secret(text):
        assert len(text) >= 8
        assert entropy(text) >= 2.5


def test_kinds_of_secrets_are_told_from_people() -> None:
    assert {"private-key", "secret", "token", "credentials", "jwt"} <= SECRETS
    assert not {"email", "user", "host", "name"} & SECRETS


def test_planted_is_what_it_says() -> None:
    assert all(isinstance(item, Planted) and item.value in item.line for item in PLANTED)
