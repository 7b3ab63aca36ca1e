"""Twins: what passes a test fails its twin, whatever it is."""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.languages.python.twins import twin_file

HEADER = "import pytest, unittest\n"


def change(test: str, seed: int = 0) -> str:
    """Return the changed text of the one test in a file, called `test_x` or `Case.test_x`."""
    text = HEADER + textwrap.dedent(test)
    ids = [f"t.py::{'Case::' if 'class Case' in text else ''}test_x"]
    found = twin_file(text, ids, seed)
    assert found is not None
    assert list(found.tests) == ids
    ast.parse(found.text)
    return found.text.removeprefix(HEADER)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("assert f() is True", "assert f() is False"),
        ("assert f() is None", "assert not (f() is None)"),
        ("assert f() == []", "assert f() == [None]"),
        ("assert f() == True, 'why'", "assert f() == False, 'why'"),
        ("assert f() == 1.0", "assert f() == 10.0"),
        ("assert f() == approx(2.0)", "assert f() == approx(13.0)"),
        ("assert f() == -1.0", "assert f() == -10.0"),
        ("assert f()", "assert not (f())"),
        ("assert (\n        f()\n        > 3)", "assert (\n        not (f()\n        > 3))"),
        ("assert g(1) != 'ä', 'ö'", "assert not (g(1) != 'ä'), 'ö'"),
        ("assert 1 == 1", "assert not (1 == 1)"),
        ("f()", 'f()\n    assert not "test_x"'),
        ("with pytest.raises(ValueError): f()", "with pytest.raises(UnicodeTranslateError): f()"),
        ("pytest.raises(ValueError, f)", "pytest.raises(UnicodeTranslateError, f)"),
    ],
)
def test_each_kind_of_expectation_has_its_contrary(before: str, after: str) -> None:
    assert change(f"def test_x():\n    {before}\n") == f"def test_x():\n    {after}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.assertTrue(f())", "self.assertFalse(f())"),
        ("self.assertIsNone(f())", "self.assertIsNotNone(f())"),
        ("self.assertEqual(f(), g())", "self.assertNotEqual(f(), g())"),
        ("self.assertIs(f(), True)", "self.assertIs(f(), False)"),
        ("self.assertGreater(f(), 2)", "self.assertLessEqual(f(), 2)"),
    ],
)
def test_assertions_of_unittest_have_theirs(before: str, after: str) -> None:
    case = "class Case(unittest.TestCase):\n    def test_x(self):\n        {}\n"
    assert change(case.format(before)) == case.format(after)


@given(
    st.one_of(st.integers(), st.booleans(), st.text(), st.binary(), st.floats(allow_nan=False, allow_infinity=False))
)
def test_another_literal_is_of_the_same_type_and_not_equal(value: object) -> None:
    text = change(f"def test_x():\n    assert f() == {value!r}\n")
    other = ast.literal_eval(text.partition(" == ")[2].strip())
    assert type(other) is type(value)
    assert other != value


@given(
    st.recursive(st.integers() | st.text(max_size=3), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_a_value_in_a_container_is_changed_or_the_whole_denied(value: object) -> None:
    text = change(f"def test_x():\n    assert f() == {value!r}\n").strip().partition("\n")[2].strip()
    if not text.startswith("assert not"):
        assert ast.literal_eval(text.partition(" == ")[2]) != value


UNSURE = [
    "if f():\n        assert g() == 1",
    "for x in f():\n        assert x == 1",
    "while f():\n        assert g() == 1",
    "try:\n        assert g() == 1\n    except KeyError: pass",
    "with contextlib.suppress(AssertionError):\n        assert g() == 1",
    "if f(): pytest.skip('no')\n    assert g() == 1",
    "def inner():\n        assert g() == 1\n    inner()",
]


@pytest.mark.parametrize("body", UNSURE)
def test_what_may_not_be_run_is_not_changed(body: str) -> None:
    """A solution that never comes to an assertion would pass its twin in all honesty."""
    text = change(f"def test_x():\n    {body}\n")
    assert "assert g() == 1" in text or "assert x == 1" in text
    assert text.endswith('assert not "test_x"\n')


@pytest.mark.parametrize("body", ["if f(): return\n    assert g() == 1", "yield 1\n    assert g() == 1"])
def test_a_test_that_may_end_before_its_end_has_no_twin(body: str) -> None:
    assert twin_file(f"def test_x():\n    {body}\n", ["t.py::test_x"], 0) is None


def test_seeds_change_other_places_and_the_same_seed_the_same() -> None:
    test = "def test_x():\n    assert f() == 1\n    assert g() == 'abc'\n    with h() as k:\n        assert k == [1]\n"
    assert len({change(test, seed) for seed in range(3)}) == 3
    assert change(test, 1) == change(test, 1)


def test_a_value_from_a_table_is_changed_in_the_test_for_the_table_makes_its_name() -> None:
    table = '@pytest.mark.parametrize(("x", "want"), [(1, 2)])\ndef test_x(x, want):\n    '
    text = HEADER + table + "assert f(x) == want\n"
    found = twin_file(text, ["t.py::test_x[1-2]"], 0)
    assert found is not None
    assert found.text.startswith(HEADER + table + "want = (")
    for want in (2, 1.5, True, "a", "", [1], (1,), None, {1: 2}):
        scope: dict[str, object] = {"want": want}
        exec(found.text.splitlines()[-1].strip().rpartition("; ")[0], scope)
        assert scope["want"] != want


@pytest.mark.parametrize("text", ["def (", "", "x = 1\n", "\0", "def test_y(): assert 1\n"])
def test_files_without_such_a_test_have_no_twin(text: str) -> None:
    assert twin_file(text, ["t.py::test_x"], 0) is None
