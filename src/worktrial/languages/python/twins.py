"""Twins: a test file in which what a test expects is changed, so that every solution of the task must fail it.

A change is sure by logic, not by trust in the solution: a value that equals 3 does not equal 4, and a condition that
holds does not fail to hold. So only what is certain to be run is changed: not what stands under a condition, after a
possible return, or in a loop that may be empty. Whoever passes a twin took the expected value from the test, is equal
to anything, or reports what it likes.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from worktrial.languages.protocol import TwinFile
from worktrial.languages.python.syntax import parse
from worktrial.languages.python.twinning import Edit, assert_edits, call_edits, raises_edit

_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_SWALLOWING = re.compile(r"raises|suppress|xfail|assertRaises|assertWarns|assertLogs|warns|deprecated", re.IGNORECASE)


@dataclass(frozen=True)
class _Change:
    test: str
    edit: Edit


def twin_file(text: str, tests: Collection[str], seed: int) -> TwinFile | None:
    """Return the twin of a test file for `tests` (ids), or None when nothing in it can be changed.

    Of every test one place is changed; which one, `seed` tells.
    """
    try:
        tree = parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    wanted: dict[str, list[str]] = {}
    for test in tests:
        wanted.setdefault(_qualified(test), []).append(test)
    source = _Source(text)
    changes = []
    for name, node in _functions(tree.body):
        if name in wanted and (edit := _one_of(list(_edits(node, source, f"{seed}:{name}")), f"{seed}:{name}", seed)):
            changes.append(_Change(name, edit))
    if not changes:
        return None
    return TwinFile(
        text=source.edited([change.edit for change in changes]),
        tests={test: change.edit.raises for change in changes for test in wanted[change.test]},
        changes=tuple(f"{change.test}: {change.edit.what}" for change in changes),
    )


def _qualified(test: str) -> str:
    """Return `TestX.test_y` for `tests/test_a.py::TestX::test_y[1]`."""
    return test.partition("::")[2].partition("[")[0].replace("::", ".")


def _functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, _FUNCTION]]:
    for node in body:
        if isinstance(node, _FUNCTION):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")


def _one_of(edits: list[Edit], name: str, seed: int) -> Edit | None:
    """Choose one by its rank in an order that depends on the test's name alone: so seeds differ in their choice."""
    if not edits:
        return None
    _, _, bare = name.partition(":")
    ranked = sorted(edits, key=lambda edit: hashlib.sha256(f"{bare}:{edit.start}".encode()).digest())
    return ranked[seed % len(ranked)]


def _edits(node: _FUNCTION, source: _Source, salt: str) -> Iterator[Edit]:
    """Yield every sure change of a test; where there is none, the one that lets it fail at its end."""
    if _has(node.body, ast.Yield | ast.YieldFrom):
        return
    found = list(_in_block(node.body, node, source, salt))
    yield from found
    if not found and not _has(node.body, ast.Return) and (edit := _failing_end(node, source)):
        yield edit


def _in_block(body: list[ast.stmt], function: _FUNCTION, source: _Source, salt: str) -> Iterator[Edit]:
    for node in body:
        if isinstance(node, ast.Assert):
            yield from assert_edits(node, function, source, salt)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield from call_edits(node.value, source, salt)
        elif isinstance(node, ast.With | ast.AsyncWith):
            calls = [item.context_expr for item in node.items]
            if any(
                _SWALLOWING.search(ast.unparse(call.func if isinstance(call, ast.Call) else call)) for call in calls
            ):
                for call in calls:
                    if isinstance(call, ast.Call) and (edit := raises_edit(call, source, salt)):
                        yield edit
            else:
                yield from _in_block(node.body, function, source, salt)
        elif _is_sure_loop(node):
            yield from _in_block(node.body, function, source, salt)
        if _has([node], ast.Return) or _may_leave(node):
            return


def _is_sure_loop(node: ast.stmt) -> TypeGuard[ast.For]:
    """Tell a loop over a list that is written out and not empty, that goes through its whole body each time."""
    if not isinstance(node, ast.For) or not isinstance(node.iter, ast.List | ast.Tuple):
        return False
    return bool(node.iter.elts) and not _has(node.body, ast.Continue | ast.Break)


def _has(body: list[ast.stmt], kind: type[ast.AST] | object) -> bool:
    """Tell whether a statement of a kind is in a block, functions and classes in it left out."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, kind):  # type: ignore[arg-type]
            return True
        if not isinstance(node, _FUNCTION | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return False


def _may_leave(node: ast.stmt) -> bool:
    """Tell whether a statement can end the test on purpose, by a skip or an expected failure."""
    return any(
        isinstance(inner, ast.Call)
        and ast.unparse(inner.func).rpartition(".")[2] in ("skip", "xfail", "skipTest", "exit")
        for inner in ast.walk(node)
    )


def _failing_end(node: _FUNCTION, source: _Source) -> Edit | None:
    first, last = node.body[0], node.body[-1]
    at = source.end(last)
    joint = "; " if first.lineno == node.lineno else "\n" + source.indent(first)
    if joint == "; " and len(node.body) == 1 and isinstance(first, ast.With | ast.For | ast.If | ast.While):
        return None
    return Edit(at, at, f'{joint}assert not "{node.name}"', f"line {last.end_lineno}: fails at its end")


class _Source:
    """A text with the places of its syntax tree, which counts columns in bytes."""

    def __init__(self, text: str) -> None:
        self._data = text.encode()
        self._starts = [0]
        for line in re.split(rb"(?<=\n)|(?<=\r)(?!\n)", self._data):
            self._starts.append(self._starts[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def indent(self, node: ast.stmt) -> str:
        line = self._starts[node.lineno - 1]
        return self._data[line : line + node.col_offset].decode()

    def text(self, start: int, end: int) -> str:
        return self._data[start:end].decode()

    def edited(self, edits: list[Edit]) -> str:
        data = self._data
        for edit in sorted(edits, key=lambda edit: -edit.start):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return data.decode()
