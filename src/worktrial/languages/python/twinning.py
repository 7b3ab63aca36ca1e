"""The changes a twin is made of: another literal where one is expected, the contrary where there is none."""

from __future__ import annotations

import ast
import hashlib
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeGuard


class Source(Protocol):
    """Where nodes of a syntax tree are in their text, as offsets in bytes."""

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node begins."""
        ...

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node ends."""
        ...

    def indent(self, node: ast.stmt) -> str:
        """Return what stands before a statement in its line."""
        ...

    def text(self, start: int, end: int) -> str:
        """Return a part."""
        ...


@dataclass(frozen=True)
class Edit:
    """One replacement in a text."""

    start: int
    end: int
    """Offsets in bytes."""
    text: str
    what: str
    """For people."""
    raises: bool = False
    """Whether a solution fails by an exception of its own rather than by an assertion."""


_CONTRARY = {
    "assertEqual": "assertNotEqual",
    "assertEquals": "assertNotEqual",
    "assertTrue": "assertFalse",
    "assert_": "assertFalse",
    "assertIn": "assertNotIn",
    "assertIs": "assertIsNot",
    "assertIsNone": "assertIsNotNone",
    "assertIsInstance": "assertNotIsInstance",
    "assertRegex": "assertNotRegex",
    "assertGreater": "assertLessEqual",
    "assertLess": "assertGreaterEqual",
    "assertGreaterEqual": "assertLess",
    "assertLessEqual": "assertGreater",
    "assertAlmostEqual": "assertNotAlmostEqual",
}
_CONTRARY |= {other: name for name, other in _CONTRARY.items() if name not in ("assertEquals", "assert_")}
_EQUALITIES = frozenset({
    "assertEqual", "assertEquals", "assertListEqual", "assertDictEqual", "assertTupleEqual", "assertSetEqual",
    "assertSequenceEqual", "assertMultiLineEqual", "assertCountEqual", "assertAlmostEqual", "assertIs",
})  # fmt: skip
_OTHER_EXCEPTION = "UnicodeTranslateError"
"""Hardly what any test is about."""


def assert_edits(
    node: ast.Assert, function: ast.FunctionDef | ast.AsyncFunctionDef, source: Source, salt: str
) -> Iterator[Edit]:
    """Yield the change of an `assert` statement."""
    test = node.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, (operator,), (right,) = test.left, test.ops, test.comparators
        if isinstance(operator, ast.Eq | ast.Is):
            for side, other in ((right, left), (left, right)):
                if not _is_literal(other) and (edit := _other_literal(side, source, salt)):
                    yield edit
                    return
            for side in (right, left):
                if isinstance(operator, ast.Eq) and isinstance(side, ast.Name) and _is_parameter(side.id, function):
                    yield _other_parameter(node, side.id, source)
                    return
        if isinstance(operator, ast.In) and (edit := _other_words(left, source, salt)):
            yield edit
            return
    start, end = source.start(test), source.end(test)
    yield Edit(start, end, f"not ({source.text(start, end)})", f"line {node.lineno}: the contrary")


def call_edits(call: ast.Call, source: Source, salt: str) -> Iterator[Edit]:
    """Yield the change of a call that is a statement of its own: an assertion of unittest, or `raises`."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return
    if function.attr in _EQUALITIES:
        for side, other in (call.args[1::-1], call.args[:2]) if len(call.args) >= 2 else ():
            if not _is_literal(other) and (edit := _other_literal(side, source, salt)):
                yield edit
                return
    if function.attr in _CONTRARY and isinstance(function.value, ast.Name):
        end = source.end(function)
        start = end - len(function.attr)
        yield Edit(start, end, _CONTRARY[function.attr], f"line {call.lineno}: the contrary")
    elif function.attr in ("raises", "assertRaises", "assertRaisesRegex") and (edit := raises_edit(call, source, salt)):
        yield edit


def raises_edit(call: ast.Call, source: Source, salt: str) -> Edit | None:
    """Return the change of `pytest.raises`, `assertRaises` and their kind: another message, or another exception."""
    name = ast.unparse(call.func).rpartition(".")[2]
    if name not in ("raises", "assertRaises", "assertRaisesRegex") or not call.args:
        return None
    messages = [keyword.value for keyword in call.keywords if keyword.arg == "match"]
    messages += call.args[1:2] if name == "assertRaisesRegex" else []
    for message in messages:
        if edit := _other_words(message, source, salt):
            return edit
    kind = call.args[0]
    if "Exception" in ast.unparse(kind).split(".") or _OTHER_EXCEPTION in ast.unparse(kind):
        return None
    start, end = source.start(kind), source.end(kind)
    return Edit(start, end, _OTHER_EXCEPTION, f"line {kind.lineno}: another exception", raises=True)


def _other_literal(node: ast.expr, source: Source, salt: str) -> Edit | None:  # noqa: PLR0911 - one per kind of node
    """Return the change of a literal, or of one inside it, to another of its type."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "approx" and node.args:
        return _other_literal(node.args[0], source, salt)
    if _is_construction(node):
        return next(filter(None, (_other_literal(inner, source, salt) for inner in node.args)), None)
    if isinstance(node, ast.List | ast.Tuple | ast.Set) and node.elts:
        return next(filter(None, (_other_literal(inner, source, salt) for inner in node.elts)), None)
    if isinstance(node, ast.Dict) and node.values:
        return next(filter(None, (_other_literal(inner, source, salt) for inner in node.values)), None)
    start, end = source.start(node), source.end(node)
    before = source.text(start, end)
    if before in ("[]", "()", "{}"):
        after = {"[]": "[None]", "()": "(None,)", "{}": "{None: None}"}[before]
    elif isinstance(node, ast.Constant) and not isinstance(node.value, complex) and node.value not in (None, ...):
        after = repr(_other_value(node.value, f"{salt}:{start}"))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant) and isinstance(node.op, ast.USub):
        return _other_literal(node.operand, source, salt)
    else:
        return None
    return Edit(start, end, after, f"line {node.lineno}: {_short(before)} to {_short(after)}")


def _is_construction(node: ast.expr) -> TypeGuard[ast.Call]:
    """Tell a call of what is named like a class: a value made of other parts is another value."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2][:1].isupper()


def _other_value(value: str | bytes | bool | float, salt: str) -> str | bytes | bool | float:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1 + _number(salt) % 8
    if isinstance(value, float):
        return value * 3 + 7 if abs(value) < 1e100 else 7.0
    if isinstance(value, bytes):
        return _other_text(value.decode("latin-1"), salt).encode("latin-1")
    return _other_text(value, salt)


def _other_text(text: str, salt: str) -> str:
    """Return text in which one letter or figure is another; text without one gets a letter at its end."""
    places = [at for at, letter in enumerate(text) if letter in string.ascii_letters + string.digits]
    if not places:
        return text + string.ascii_lowercase[_number(salt) % 26]
    at = places[_number(salt) % len(places)]
    return text[:at] + _other_letter(text[at], salt) + text[at + 1 :]


def _other_letter(letter: str, salt: str) -> str:
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        if letter in kind:
            others = kind.replace(letter, "")
            return others[_number(salt + letter) % len(others)]
    return letter


def _other_words(node: ast.expr, source: Source, salt: str) -> Edit | None:
    """Return the change of a text that is looked for in another: so many letters of it that it is nowhere by chance."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    text, out, changed = node.value, [], 0
    for at, letter in enumerate(text):
        escaped = at > 0 and text[at - 1] == "\\"
        other = letter if escaped or not letter.isascii() else _other_letter(letter, f"{salt}:{at}")
        changed += other != letter
        out.append(other)
    if changed < 4 or any(sign in text for sign in "[{|*?"):
        return None
    start, end = source.start(node), source.end(node)
    after = repr("".join(out))
    return Edit(start, end, after, f"line {node.lineno}: {_short(repr(text))} to {_short(after)}")


def _other_parameter(node: ast.Assert, name: str, source: Source) -> Edit:
    """Return the change of a value from a table, in the line that compares it: the table makes the tests' names."""
    other = (
        f"(not {name} if isinstance({name}, bool) else {name} + 3 if isinstance({name}, (int, float)) else "
        f"{name} + type({name})({name}[:1] or 'x') if type({name}) is str else "
        f"[*{name}, None] if type({name}) is list else (*{name}, None) if type({name}) is tuple else object())"
    )
    start = source.start(node)
    return Edit(start, start, f"{name} = {other}; ", f"line {node.lineno}: another {name}")


def _is_parameter(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a name is a value that a table gives the test, and the test uses it once, to compare with it."""
    uses = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
    if len(uses) != 1 or name not in [argument.arg for argument in function.args.args]:
        return False
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("parametrize") and decorator.args:
            named = decorator.args[0]
            names = named.elts if isinstance(named, ast.List | ast.Tuple) else [named]
            listed = [part.value for part in names if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if name in [part.strip() for text in listed for part in text.split(",")]:
                return True
    return False


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:27] + "..."


def _number(salt: str) -> int:
    return int.from_bytes(hashlib.sha256(salt.encode()).digest()[:6], "big")
