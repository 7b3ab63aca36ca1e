"""Reading a report that hostile tests may have written to."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from worktrial.languages.python.testing import read_report

KEYS = st.sampled_from(
    ["started", "test", "status", "uncollected", "skipped_file", "covered", "tests", "finished", "x"]
)
JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(JSON | st.fixed_dictionaries({"covered": st.just("p"), "tests": st.dictionaries(KEYS, JSON)}), max_size=6)
)
def test_no_lines_upset_the_reading(lines: list[object]) -> None:
    said = read_report("\n".join(map(json.dumps, lines)).encode())
    said.statuses("completed")
    for by_path in said.covering.values():
        assert all(isinstance(line, int) for lines in by_path.values() for line in lines)


@given(st.binary())
def test_no_bytes_upset_the_reading(data: bytes) -> None:
    read_report(data).statuses("timeout")


def test_deep_nesting_does_not_upset_the_reading() -> None:
    assert read_report(b"[" * 100_000 + b'\n{"finished": 0}\n').finished


def test_a_test_of_which_two_things_are_said_is_an_error() -> None:
    lines = [{"test": "t", "status": "failed"}, {"test": "t", "status": "passed"}, {"test": "u", "status": "nonsense"}]
    said = read_report("\n".join(map(json.dumps, lines)).encode())
    assert said.statuses("completed") == {"t": "error", "u": "error"}


def test_the_test_that_was_running_says_how_the_run_ended() -> None:
    said = read_report(b'{"started": "t"}\n{"torn')
    assert said.statuses("timeout") == {"t": "timeout"}
    assert said.statuses("completed") == {"t": "error"}
    assert not said.finished
