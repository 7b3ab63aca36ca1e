"""Reading patches, held against git and difflib."""

from __future__ import annotations

import difflib
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worktrial.curate.changes import changed_lines

line = st.sampled_from(
    ["a", "b", "", "+a", "-b", "++ b/x", "-- a/x", "+++ b/x", "--- a/x", "@@ -1 +1 @@", "\\ No", "c\rd", "-e\r-f"]
)
texts = st.lists(line, max_size=8)


def git_diff(old: bytes, new: bytes, name: str = "f.py") -> bytes:
    """Return what git says of one file that was changed, without context."""
    with tempfile.TemporaryDirectory() as folder:
        for side, data in (("a", old), ("b", new)):
            (Path(folder) / side).mkdir()
            (Path(folder) / side / name).write_bytes(data)
        argv = ["git", "diff", "--no-index", "--text", "-U0", "--no-ext-diff", f"a/{name}", f"b/{name}"]
        out = subprocess.run(argv, cwd=folder, capture_output=True, check=False).stdout
    return out.replace(b"a/a/", b"a/").replace(b"b/b/", b"b/")


def expected_lines(patch: bytes) -> set[int]:
    """Say the same from the headers of the hunks alone, skipping bodies by their counted length."""
    found: set[int] = set()
    rest = patch.split(b"\n")
    while rest:
        head = rest.pop(0)
        if head.startswith(b"@@ "):
            old, new = head.split(b" ")[1:3]
            counts = [int([*part[1:].split(b","), b"1"][1]) for part in (old, new)]
            start = int(new[1:].split(b",")[0])
            found |= set(range(start, start + counts[1])) if counts[1] else {max(1, start), start + 1}
            for _ in range(sum(counts)):
                rest.pop(0)
                if rest and rest[0].startswith(b"\\ No newline"):
                    rest.pop(0)
    return found


@settings(max_examples=40, deadline=None)
@given(texts, texts, st.booleans())
@example(["a"], ["x", "c\rd", "-e\r-f", "b"], True)
def test_lines_of_one_file_are_those_that_git_counts(old: list[str], new: list[str], end: bool) -> None:
    patch = git_diff("\n".join(old).encode() + b"\n" * end, "\n".join(new).encode() + b"\n" * end)
    found = changed_lines(patch)
    assert set().union(*found.values()) == expected_lines(patch)
    assert set(found) <= {"f.py"}


@given(texts, texts)
def test_every_line_difflib_calls_new_is_found(old: list[str], new: list[str]) -> None:
    """Difflib may match other lines than git, so its own diff is what is read."""
    body = list(difflib.unified_diff(old, new, "a/f.py", "b/f.py", n=0, lineterm=""))
    patch = "".join(f"{one}\n" for one in body).encode()
    found = changed_lines(patch).get("f.py", set())
    opcodes = difflib.SequenceMatcher(None, old, new).get_opcodes()
    added = {n + 1 for tag, _, _, low, high in opcodes if tag in ("insert", "replace") for n in range(low, high)}
    gaps = {n for tag, _, _, low, _ in opcodes if tag == "delete" for n in (max(1, low), low + 1)}
    assert found == added | gaps


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=2, max_size=3))
def test_files_of_one_patch_do_not_run_into_each_other(files: list[tuple[list[str], list[str]]]) -> None:
    patches = {
        f"f{i}.py": git_diff("\n".join(a).encode(), "\n".join(b).encode(), f"f{i}.py") for i, (a, b) in enumerate(files)
    }
    found = changed_lines(b"".join(patches.values()))
    assert {name: lines for name, lines in found.items() if lines} == {
        name: expected_lines(patch) for name, patch in patches.items() if patch
    }


@pytest.mark.parametrize(
    "name",
    ["plain.py", "with space.py", "tab\there.py", 'quote".py', "back\\slash.py", "ünï.py", "new\nline.py", "é\t.py"],
)
@pytest.mark.parametrize("quote_path", ["true", "false"])
def test_names_are_read_as_git_writes_them(name: str, quote_path: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a\n")
    for args in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *args], cwd=tmp_path, check=True)
    argv = ["git", "-c", f"core.quotePath={quote_path}", "diff", "--cached", "-U0"]
    patch = subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True).stdout
    assert changed_lines(patch) == {name: {1}}


def test_a_name_that_is_no_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    patch = b'+++ "b/\\377.py"\n@@ -0,0 +1 @@\n+a\n'
    assert changed_lines(patch) == {"\udcff.py": {1}}


def test_a_deleted_file_has_no_lines() -> None:
    assert changed_lines(b"--- a/f.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n") == {}


def test_where_lines_were_only_taken_out_their_neighbours_stand_for_them() -> None:
    assert changed_lines(b"--- a/f.py\n+++ b/f.py\n@@ -5,2 +4,0 @@\n-a\n-b\n") == {"f.py": {4, 5}}
