"""Hostile text made fit to show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.pages.text import plain, read_excerpt, shorten, visible


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1bPsixel\x1b\\after", "after"),
        ("10%\r50%\r100%\nnext\r\n", "100%\nnext\n"),
        ("bell\x07 null\x00", "bell\u2407 null\u2400"),
        ("user\u202etxt.exe", "user[U+202E]txt.exe"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("tab\tand ünïcödé 日本 🎉", "tab\tand ünïcödé 日本 🎉"),
    ],
)
def test_terminal_codes_go_and_what_is_invisible_is_shown(raw: str, shown: str) -> None:
    assert plain(raw) == shown


def test_code_keeps_a_sign_of_every_control_character() -> None:
    assert visible("a\x1b[0m\r") == "a\u241b[0m\u240d"


@given(st.text())
def test_what_is_shown_holds_no_control_character_and_is_stable(raw: str) -> None:
    shown = plain(raw)
    assert not [sign for sign in shown if (ord(sign) < 32 and sign not in "\n\t") or 0x7F <= ord(sign) < 0xA0]
    assert plain(shown) == shown


def test_long_text_keeps_both_ends_and_says_what_was_cut() -> None:
    excerpt = shorten("a" * 500 + "b" * 500, 100)
    assert (excerpt.head, excerpt.tail, excerpt.cut) == ("a" * 50, "b" * 50, "900 characters cut")
    assert shorten("short", 100).cut == ""


def test_a_long_file_is_read_at_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_bytes(b"first" + b"\xff" * 5 * 1024**2 + b"last")
    excerpt = read_excerpt(path, head=5, tail=4)
    assert excerpt is not None
    assert (excerpt.head, excerpt.tail, excerpt.cut) == ("first", "last", "5.0 MiB cut")


def test_links_and_missing_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "link.log").symlink_to("/etc/passwd")
    assert read_excerpt(tmp_path / "link.log", head=9, tail=9) is None
    assert read_excerpt(tmp_path / "none.log", head=9, tail=9) is None
