"""What the syntax of a Python file tells of its lines."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.languages.python.syntax import runnable_lines

CODE = '''\
"""Module."""
import os

# comment
@decorate(
    1,
)
def f(
    a=1,
):
    """Doc.

    More.
    """
    if (a
            and os):
        return {
            "a": 1,
        }
    elif a:
        pass
    else:
        x = """
text
"""
    try:
        g()
    except (
        ValueError
    ):
        raise
    finally:
        h()


if TYPE_CHECKING:
    import typing

match x:
    case [
        1
    ]:
        y = 1
'''


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ([1], []),  # docstring of the module
        ([2], [2]),
        ([3, 4], []),  # blank, comment
        ([6], [5]),  # decorators belong to what they decorate
        ([9], [5]),
        ([11, 13], []),  # docstring of the function
        ([16], [15]),  # a condition over two lines
        ([18], [17]),  # within a statement
        ([20], [20]),  # elif
        ([22], []),  # else
        ([24], [23]),  # within a string
        ([29], [28]),  # the exceptions caught
        ([32, 33], [33]),  # finally
        ([36], [36]),
        ([37], []),  # only type checkers see it
        ([41], [40]),  # a pattern
        ([10**9, 0, -3], []),
    ],
)
def test_changed_lines_go_by_the_first_line_of_their_statement(changed: list[int], lines: list[int]) -> None:
    assert runnable_lines("pkg/core.py", CODE, changed) == tuple(lines)


def test_files_other_than_python_have_no_lines_to_tell() -> None:
    assert runnable_lines("pkg/core.c", "int x;\n", [1]) == ()


def test_code_of_another_version_goes_by_the_look_of_its_lines() -> None:
    assert runnable_lines("core.py", "print 1\n\n# no\nprint 2\n", [1, 2, 3, 4]) == (1, 4)


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(CODE.splitlines()), max_size=20).map("\n".join)),
    st.sets(st.integers()),
)
def test_runnable_lines_of_any_text_lie_within_it(text: str, lines: set[int]) -> None:
    found = runnable_lines("a.py", text, lines)
    assert list(found) == sorted(set(found))
    assert all(1 <= line <= len(text.splitlines()) for line in found)


@given(st.sets(st.integers(1, 50)))
def test_runnable_lines_are_where_statements_start(lines: set[int]) -> None:
    starts = {
        min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
        for node in ast.walk(ast.parse(CODE))
        if isinstance(node, ast.stmt | ast.excepthandler)
    } | {node.pattern.lineno for node in ast.walk(ast.parse(CODE)) if isinstance(node, ast.match_case)}
    assert set(runnable_lines("a.py", CODE, lines)) <= starts
