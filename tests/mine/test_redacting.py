"""What mining stores names no one and opens nothing, and says what was taken out."""

from __future__ import annotations

import random
import string

from tests.mine.building import SOURCE, TEST, Repository, mined, reasons

from worktrial.formats.provenance import Link, Provenance
from worktrial.mine.redacting import redact_candidate
from worktrial.redaction.people import KnownNames

KEY = "gh" + "p_" + "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=36))


def test_people_in_messages_become_placeholders_and_are_listed(repo: Repository) -> None:
    repo.git("config", "user.name", "unused")
    repo.change(
        f"Add one as Ada Byron <ada@byron.io> asked\n\nAda Byron ran it in /home/ada/x with {KEY}\n\n"
        "Co-authored-by: Ada Byron <ada@byron.io>",
        "one",
    )
    [candidate] = mined(repo.path).candidates
    assert candidate.prompt == (
        "Add one as [name-1] <[email-1]> asked\n\n[name-1] ran it in /home/[user-1]/x with [github-token-1]"
    )
    for text in (candidate.message, candidate.subject, *(removal.text for removal in candidate.removed)):
        assert "Byron" not in text
        assert "byron.io" not in text
    listed = mined(repo.path).redactions
    assert {(item.where, item.kind) for item in listed if item.of == candidate.id} >= {
        ("prompt", "name"), ("prompt", "email"), ("prompt", "user"), ("prompt", "github-token"), ("removed", "name"),
    }  # fmt: skip
    assert not any("Byron" in item.model_dump_json() for item in listed)


def test_what_was_turned_down_is_redacted_too(repo: Repository) -> None:
    repo.commit("Docs for ada@byron.io", {"README.md": "more\n"})
    rejection = next(item for item in mined(repo.path).rejections if item.reason == "docs_only")
    assert rejection.subject == "Docs for [email-1]"


def test_it_is_all_there_when_asked_for(repo: Repository) -> None:
    repo.change("Add one for ada@byron.io", "one")
    result = mined(repo.path, redact=False)
    assert result.candidates[0].prompt == "Add one for ada@byron.io"
    assert result.redactions == ()


def test_a_change_with_a_key_in_its_lines_is_turned_down_unless_all_is_to_be_kept(repo: Repository) -> None:
    repo.change("Add one", "one")
    repo.commit("Add a client", {SOURCE: f"TOKEN = '{KEY}'\n", TEST: f"from pkg import core\n\n# {KEY}\n"})
    assert "needs_secret" in reasons(mined(repo.path)).values()
    rejection = next(item for item in mined(repo.path).rejections if item.reason == "needs_secret")
    assert rejection.detail == f"github-token in {SOURCE}"
    assert "needs_secret" not in reasons(mined(repo.path, redact=False)).values()


def test_the_prompts_of_a_conversation_share_their_placeholders(repo: Repository) -> None:
    repo.change("Add one", "one")
    [candidate] = mined(repo.path).candidates
    link = Link(source="codex", session="s", reason="overlap", confidence=0.5, detail="in /home/ada/x")
    talk = candidate.model_copy(
        update={
            "prompt": "Write to ada@byron.io",
            "prompts": ("Write to ada@byron.io", "and to bob@byron.io, not ada@byron.io"),
            "provenance": Provenance(links=(link,)),
        }
    )
    redacted = redact_candidate(talk, KnownNames.none(), [])
    assert redacted.prompts == ("Write to [email-1]", "and to [email-2], not [email-1]")
    assert redacted.provenance is not None
    assert redacted.provenance.links[0].detail == "in /home/[user-1]/x"


def test_placeholders_do_not_change_when_history_grows(repo: Repository) -> None:
    repo.change("Add one for ada@byron.io", "one")
    before = mined(repo.path).candidates[0]
    repo.change("Add two for eve@byron.io", "two")
    assert before in mined(repo.path).candidates
