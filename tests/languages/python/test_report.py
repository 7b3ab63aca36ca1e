"""Reading a report that hostile tests may have written to."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from worktrial.languages.python.said import SaidByTests, read_report

KEY = b"k" * 32
KEYS = st.sampled_from(
    ["started", "test", "status", "uncollected", "skipped_file", "covered", "tests", "finished", "source", "x"]
)
JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
END = {"finished": 0, "failures": 0, "canaries": 2}


def signed(*records: object, start: int = 0, key: bytes = KEY) -> bytes:
    lines = b""
    for number, record in enumerate(records, start):
        content = f"{number} {json.dumps(record)}".encode()
        lines += hashlib.blake2b(content, key=key, digest_size=16).hexdigest().encode() + b" " + content + b"\n"
    return lines


def read(data: bytes, canary: str = "", whole: bool = True) -> SaidByTests:
    return read_report(data, KEY, canary, whole=whole)


@given(
    st.lists(JSON | st.fixed_dictionaries({"covered": st.just("p"), "tests": st.dictionaries(KEYS, JSON)}), max_size=6)
)
def test_no_lines_upset_the_reading(lines: list[object]) -> None:
    said = read(signed(*lines))
    said.statuses("completed")
    said.contradiction()
    for by_path in said.covering.values():
        assert all(isinstance(line, int) for lines in by_path.values() for line in lines)


@given(st.binary())
def test_bytes_that_nobody_signed_are_forged(data: bytes) -> None:
    said = read(data)
    assert bool(said.forged) == bool(data)
    assert not said.statuses("timeout")


@given(st.binary(min_size=1), st.integers(0, 3))
def test_bytes_between_or_after_signed_lines_are_forged(data: bytes, at: int) -> None:
    lines = signed({"test": "t", "status": "passed"}, {"x": 1}, END).splitlines(keepends=True)
    assert read(b"".join([*lines[:at], data, *lines[at:]])).forged


def test_lines_out_of_order_left_out_or_said_twice_are_forged() -> None:
    first, second, last = signed({"x": 1}, {"x": 2}, END).splitlines(keepends=True)
    assert not read(first + second + last).forged
    for data in (second + first + last, first + last, first + first + second + last, first + second + last + last):
        assert read(data).forged
    assert read(signed({"x": 1}, key=b"other")).forged


def test_a_line_that_was_cut_off_by_the_end_of_the_process_is_no_forgery() -> None:
    data = signed({"started": "t"}) + b"abc"
    assert not read(data, whole=False).forged
    assert read(data).forged
    assert read(signed({"started": "t"}, END) + b"abc", whole=False).forged


def test_deep_nesting_does_not_upset_the_reading() -> None:
    content = b"0 " + b"[" * 100_000
    line = hashlib.blake2b(content, key=KEY, digest_size=16).hexdigest().encode() + b" " + content + b"\n"
    assert read(line).forged


def test_a_test_of_which_two_things_are_said_is_an_error() -> None:
    lines = [{"test": "t", "status": "failed"}, {"test": "t", "status": "passed"}, {"test": "u", "status": "nonsense"}]
    assert read(signed(*lines)).statuses("completed") == {"t": "error", "u": "error"}


def test_the_test_that_was_running_says_how_the_run_ended() -> None:
    said = read(signed({"started": "t"}) + b"torn", whole=False)
    assert said.statuses("timeout") == {"t": "timeout"}
    assert said.statuses("completed") == {"t": "error"}
    assert not said.finished


def test_canaries_are_no_tests_and_must_not_pass() -> None:
    lines = [{"started": "a/test_c.py::x"}, {"test": "a/test_c.py::x", "status": "passed"}]
    said = read(signed(*lines, {"test": "a/test_c.py::y", "status": "error"}, END), canary="test_c.py")
    assert said.statuses("completed") == {}
    assert said.canaries_passed == ["a/test_c.py::x"]
    assert "canary_not_run" in read(signed(END | {"canaries": 0})).evidence


def test_counts_that_contradict_the_outcomes_are_named() -> None:
    failed = {"test": "t", "status": "failed"}
    assert "t failed" in read(signed(failed, END)).contradiction()
    assert "nothing failed" in read(signed(END | {"finished": 1})).contradiction()
    assert not read(signed(failed, END | {"finished": 1, "failures": 1})).contradiction()


def test_a_pass_without_proof_is_remembered() -> None:
    lines = [{"test": "t", "status": "passed", "proved": True}, {"test": "u", "status": "passed", "proved": False}]
    assert read(signed(*lines, END)).unproven == {"u"}
