"""The sealed reporter in itself: what its parts rest on, and what they write."""

from __future__ import annotations

import dis
import importlib.util
import json
import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.languages.python import testing
from worktrial.languages.python.said import read_report

_PATH = Path(testing.__file__).parent / "harness/witness.py"
_spec = importlib.util.spec_from_file_location("witness_under_test", _PATH)
assert _spec is not None
assert _spec.loader is not None
witness: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(witness)

MAKERS = [name for name in vars(witness) if name.startswith("make_")]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)


def within(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from within(constant)


@pytest.mark.parametrize("maker", MAKERS)
def test_no_part_looks_anything_up_that_others_can_rebind(maker: str) -> None:
    parts = list(within(getattr(witness, maker).__code__))
    assert parts
    for part in parts:
        looked_up = [
            f"{part.co_name}: {one.opname} {one.argval}"
            for one in dis.get_instructions(part)
            if one.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "IMPORT_", "STORE_GLOBAL", "LOAD_BUILD_CLASS"))
        ]
        assert not looked_up


def written(do: Callable[[int], None]) -> bytes:
    """Return what is written to the pipe that `do` is given."""
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as report:
        try:
            do(writable)
        finally:
            os.close(writable)
        return report.read()


@given(st.lists(VALUES, max_size=5))
def test_whatever_is_said_is_read_as_it_was_said(values: list[Any]) -> None:
    """Lone surrogates too, which names of tests have; what is said after the end is not written."""

    def say(fd: int) -> None:
        emit = witness.make_emit(fd, b"k" * 32)
        for value in values:
            emit({"said": value})
        emit({"finished": 0, "failures": 0, "canaries": 2})
        emit({"test": "t::t", "status": "passed"})

    report = written(say)
    assert [json.loads(line.split(b" ", 2)[2]) for line in report.splitlines()][:-1] == [{"said": v} for v in values]
    said = read_report(report, b"k" * 32)
    assert (said.finished, said.forged, said.evidence) == (True, "", set())
    assert read_report(report, b"l" * 32).forged


def test_a_sign_is_reported_once_and_never_without_end() -> None:
    def note_all(fd: int) -> None:
        note = witness.make_note(witness.make_emit(fd, b"k" * 32))
        for number in range(500):
            note(f"event:{number}")
            note("event:0")

    assert len(written(note_all).splitlines()) == 200
