"""Patches taken apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from worktrial.pages.diffs import MAX_LINES, MAX_PATCH_LINES, parse, sides
from worktrial.pages.render import diff_table

FILES: dict[str, tuple[bytes | None, bytes | None]] = {
    "kept.py": (b"one\ntwo\nthree\n", b"one\n-- not a header\n2\nthree\n"),
    "dashes.sql": (b"-- a comment\n++ odd\nx\n", b"x\n"),
    "gone.py": (b"a\n", None),
    "new.py": (None, b"a\nb"),
    "empty.txt": (None, b""),
    "with space.py": (b"a\n", b"b\n"),
    "t\u00e9st\t\"quoted\".py": (b"a\n", b"b\n"),
    "logo.png": (b"\x00\x01", b"\x00\x02\xff"),
}  # fmt: skip


def git_patch(folder: Path) -> bytes:
    """Return git's own patch of `FILES`."""
    for side in (0, 1):
        for name, contents in FILES.items():
            path = folder / "ab"[side] / name
            path.parent.mkdir(exist_ok=True)
            if (content := contents[side]) is not None:
                path.write_bytes(content)
    command = [
        "git",
        "-c",
        "core.quotePath=false",
        "diff",
        "--no-index",
        "--binary",
        "--no-renames",
        "--no-prefix",
        "a",
        "b",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout


def test_gits_own_patches_are_read_whatever_the_files_are_called(tmp_path: Path) -> None:
    files = {file.path: file for file in parse(git_patch(tmp_path))}
    assert set(files) == set(FILES)
    assert (files["kept.py"].added, files["kept.py"].removed) == (2, 1)
    assert [line.text for line in files["dashes.sql"].lines if line.kind == "-"] == ["-- a comment", "++ odd"]
    assert (files["gone.py"].change, files["new.py"].change, files["empty.txt"].change) == ("deleted", "added", "added")
    assert [line.text for line in files["new.py"].lines][-1] == "No newline at end of file"
    assert files["logo.png"].binary


def test_line_numbers_follow_both_sides() -> None:
    patch = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -10,3 +20,3 @@ def f\n same\n-old\n+new\n same\n"
    lines = parse(patch)[0].lines
    numbers = [(line.kind, line.old, line.new) for line in lines[1:]]
    assert numbers == [(" ", 10, 20), ("-", 11, None), ("+", None, 21), (" ", 12, 22)]


def test_renames_modes_and_links_are_said() -> None:
    patch = (
        b"diff --git a/old.py b/new.py\nsimilarity index 90%\nrename from old.py\nrename to new.py\n"
        b"diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
        b"diff --git a/link b/link\nnew file mode 120000\n--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+/etc\n"
    )
    renamed, mode, link = parse(patch)
    assert (renamed.change, renamed.old_path, renamed.path) == ("renamed", "old.py", "new.py")
    assert mode.mode == "100644 to 100755"
    assert (link.change, link.mode) == ("added", "120000")


def test_long_diffs_are_cut_and_the_rest_is_counted() -> None:
    body = b"".join(b"+line %d\n" % n for n in range(4000))
    patch = b"".join(
        b"diff --git a/f%d b/f%d\n--- /dev/null\n+++ b/f%d\n@@ -0,0 +1,4000 @@\n%s" % (n, n, n, body) for n in range(5)
    )
    files = parse(patch)
    assert (len(files[0].lines), files[0].added, files[0].cut) == (MAX_LINES, 4000, 4001 - MAX_LINES)
    assert sum(len(file.lines) for file in files) == MAX_PATCH_LINES


def test_files_are_paired_by_path_the_landed_ones_first() -> None:
    own = parse(b"diff --git a/x b/x\n--- a/x\n+++ b/x\ndiff --git a/mine b/mine\n--- a/mine\n+++ b/mine\n")
    landed = parse(b"diff --git a/y b/y\n--- a/y\n+++ b/y\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n")
    pairs = [(a and a.path, b and b.path) for a, b in sides(own, landed)]
    assert pairs == [(None, "y"), ("x", "x"), ("mine", None)]


def test_lines_are_escaped() -> None:
    file = parse(b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+<script>\x1b[31m</td>\n")[0]
    table = diff_table(file)
    assert "+&lt;script&gt;\u241b[31m&lt;/td&gt;" in table
    assert "<script" not in table


PIECES = st.sampled_from(
    [
        *(b"diff --git a/x b/x", b"diff --git x", b'diff --git "a/x" "b/\\3', b"--- a/x", b"+++ b/x", b"rename to "),
        *(b"@@ -1,2 +1,3 @@", b"@@ -0,999999999 +0,0 @@", b"+a", b"-b", b" c", b"\\ No newline", b"", b"\xff\x00"),
        *(b"GIT binary patch", b"old mode 1"),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=40))
def test_whatever_a_patch_holds_it_is_taken_apart(pieces: list[bytes]) -> None:
    for file in parse(b"\n".join(pieces)):
        assert len(diff_table(file)) >= len(file.lines)
