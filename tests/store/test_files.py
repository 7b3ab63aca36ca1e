"""Single files: whole or not at all, on a full disk too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worktrial.errors import FormatError, StorageError
from worktrial.formats.base import Record
from worktrial.store.files import read_model, read_text, write_bytes, write_json, write_text, write_toml


class Words(Record):
    """A model of nothing but text."""

    first: str
    others: tuple[str, ...] = ()


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
SURROGATES = st.text(st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF) | st.characters(codec="ascii"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TEXT | SURROGATES, others=st.lists(TEXT, max_size=3))
def test_json_gives_back_any_text(tmp_path: Path, first: str, others: list[str]) -> None:
    words = Words(first=first, others=tuple(others))
    write_json(tmp_path / "words.json", words)
    assert read_model(tmp_path / "words.json", Words, "words") == words


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TEXT | st.text("\r\n'\"\\\t"), others=st.lists(TEXT, max_size=3))
def test_toml_gives_back_any_text(tmp_path: Path, first: str, others: list[str]) -> None:
    words = Words(first=first, others=tuple(others))
    write_toml(tmp_path / "words.toml", words)
    assert read_model(tmp_path / "words.toml", Words, "words") == words


def test_toml_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"words\.toml"):
        write_toml(tmp_path / "words.toml", Words(first="caf\udce9"))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="could not write"):
        write_bytes(tmp_path / "folder", b"a folder is in the way")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_longest_name_the_file_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    write_text(path, "x")
    assert read_text(path, "file") == "x"


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["no text", "a folder"])
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "thing"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(FormatError, match=r"could not read the thing at .*thing"):
        read_text(path, "thing")


FULL_DISK = """
import sys
from pathlib import Path
from worktrial.errors import StorageError
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.store.files import write_bytes
from worktrial.store.git import scratch_repository
from worktrial.store.journal import Journal

here = Path(sys.argv[1])
write_bytes(here / "file", b"before")
journal = Journal(here / "journal.jsonl", JournalEntry)
entry = JournalEntry(at=now(), event="trial", task="t" * 5000)
written = 0
try:
    while True:
        journal.append(entry)
        written += 1
except StorageError as error:
    assert error.cause == "the disk is full", error.cause
assert written > 2
assert len(list(journal)) == written, (len(list(journal)), written)
assert journal.path.read_bytes().endswith(b"}\\n")
try:
    write_bytes(here / "file", b"x" * 100_000)
except StorageError as error:
    assert "the disk is full" in str(error)
else:
    raise AssertionError("it was written")
assert (here / "file").read_bytes() == b"before"
assert not list(here.glob(".file*"))
journal.path.unlink()
git = scratch_repository(here / "git")
try:
    git.run("hash-object", "-w", "--stdin", data=bytes(range(256)) * 400 + __import__("os").urandom(100_000))
except StorageError as error:
    assert "the disk is full" in str(error)
else:
    raise AssertionError("git wrote it")
print("all well")
"""


def test_a_full_disk_is_told_and_costs_nothing_that_was_there(tmp_path: Path) -> None:
    """On a real one: a tmpfs of 64 KiB in a mount namespace of its own."""
    outer = ["unshare", "-Urm"]
    if subprocess.run([*outer, "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces do not work here")
    script = 'mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        [*outer, "sh", "-c", script, "sh", str(tmp_path), sys.executable, FULL_DISK],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "all well\n", done.stderr
