"""The changes that twins are made of: another value for what a Go test expects, or the contrary of what it asks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worktrial.languages.golang.scan import Token, matching

_EXPECTED = re.compile(r"want|expect|exp$", re.IGNORECASE)
"""What fields of a test's table are called that hold what is expected."""
_COMPARING = frozenset({"Equal", "EqualValues", "Exactly", "Len", "Contains", "EqualError", "ErrorContains"})
_CONTRARY = {
    "True": "False", "NoError": "Error", "Nil": "NotNil", "Empty": "NotEmpty", "Equal": "NotEqual",
    "Contains": "NotContains",
}  # fmt: skip
_CONTRARY |= {there: here for here, there in _CONTRARY.items()}
_ASSERTIONS = frozenset({"assert", "require"})
"""What the packages of testify are called."""
_LETTERS = "bcdfghjkmpqvwxz"


@dataclass(frozen=True)
class Change:
    """One edit of a test."""

    start: int
    end: int
    """Of the characters that `text` takes the place of."""
    text: str
    what: str
    """For people."""
    rank: int
    """0: another value; 1: the contrary; 2: a failure at the end. Where there is a lower one, no higher one is made."""


def other_value(token: Token, salt: str) -> Change | None:
    """Return the change of a literal to another of its type; None for what has none that fits any type it may be of."""
    text, number = token.text, _number(f"{salt}:{token.start}")
    if token.kind == "text":
        # So many letters, at the end, that whatever contains the text, or begins or ends with it, does so no more.
        tail = "".join(_LETTERS[number >> 4 * at & 15 if number >> 4 * at & 15 < 15 else 0] for at in range(6))
        after = f"{text[:-1]}{tail}{text[-1]}"
    elif token.kind == "number" and re.fullmatch(r"0|[1-9][0-9]{0,8}", text):
        # Less, where that is possible: a type that holds the one holds the other.
        value = int(text)
        after = str(value - 1 - number % min(value - 1, 7) if value > 1 else value + 1)
    elif token.kind == "number" and re.fullmatch(r"[0-9]+\.[0-9]+", text):
        after = f"{1 + number % 9}{text}"
    elif token.kind == "name" and text in ("true", "false"):
        after = {"true": "false", "false": "true"}[text]
    else:
        return None
    return Change(token.start, token.end, after, f"line {token.line}: {_short(text)} to {_short(after)}", 0)


def of_condition(text: str, found: Sequence[Token], start: int, end: int, salt: str) -> Change | None:
    """Return a change that makes a condition, the tokens from `start` up to `end`, true where it was false."""
    if start >= end:
        return None
    signs = [found[index].text if found[index].kind == "sign" else "" for index in range(start, end)]
    # Beside `&&` may stand what keeps the whole from being true.
    if "&&" not in signs:
        for index in _outer(found, start, end):
            if found[index].kind == "sign" and found[index].text == "!=":
                for side in (index + 1, index - 1):
                    if _is_side(found, side, start, end) and (change := other_value(found[side], salt)):
                        return change
    first, last = found[start].start, found[end - 1].end
    return Change(first, last, f"!({text[first:last]})", f"line {found[start].line}: the contrary", 1)


def of_assertion(found: Sequence[Token], index: int, salt: str) -> Change | None:
    """Return the change of the statement at `index` if it is an assertion of testify's."""
    shape = [token.text for token in found[index : index + 4]]
    if len(shape) < 4 or shape[0] not in _ASSERTIONS or shape[1] != "." or shape[3] != "(":
        return None
    method = shape[2].removesuffix("f")
    closing = matching(list(found), index + 3)
    if method in _COMPARING:
        for start, end in list(_arguments(found, index + 3, closing))[:3]:
            if end - start == 1 and (change := other_value(found[start], salt)):
                return change
    if method in _CONTRARY:
        name = found[index + 2]
        after = _CONTRARY[method] + shape[2][len(method) :]
        return Change(name.start, name.end, after, f"line {name.line}: the contrary", 1)
    return None


def of_tables(found: Sequence[Token], start: int, end: int, salt: str) -> Iterator[Change]:
    """Yield changes of what tables between two tokens say is expected."""
    for index in range(start + 1, end - 2):
        name = found[index]
        if name.kind != "name" or not _EXPECTED.match(name.text):
            continue
        if found[index - 1].text not in ("{", ",") or found[index + 1].text != ":":
            continue
        for at in range(index + 2, _value_end(found, index + 2, end)):
            is_element = at == index + 2 or found[at - 1].text in ("{", ",")
            if is_element and found[at + 1].text in (",", "}") and (change := other_value(found[at], salt)):
                yield change
                break


def _value_end(found: Sequence[Token], start: int, end: int) -> int:
    """Return the index of what ends the value that begins at `start`: a comma, or the bracket around it."""
    depth = 0
    for index in range(start, end):
        text = found[index].text if found[index].kind == "sign" else ""
        if text and text in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and text == ","):
            return index
        if text and text in "([{":
            depth += 1
    return end


def _outer(found: Sequence[Token], start: int, end: int) -> Iterator[int]:
    """Yield the indices of tokens that are inside of no bracket."""
    depth = 0
    for index in range(start, end):
        text = found[index].text if found[index].kind == "sign" else ""
        if text and text in ")]}":
            depth -= 1
        if depth == 0:
            yield index
        if text and text in "([{":
            depth += 1


def _is_side(found: Sequence[Token], index: int, start: int, end: int) -> bool:
    """Tell whether a token is a whole side of a comparison."""
    if not start <= index < end:
        return False
    before = found[index - 1].text if index > start else "||"
    after = found[index + 1].text if index + 1 < end else "||"
    return {before, after} <= {"||", "!="}


def _arguments(found: Sequence[Token], opening: int, closing: int) -> Iterator[tuple[int, int]]:
    """Yield where each argument of a call begins and ends."""
    start = opening + 1
    for index in _outer(found, opening + 1, closing):
        if found[index].kind == "sign" and found[index].text == ",":
            yield start, index
            start = index + 1
    if start < closing:
        yield start, closing


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:27] + "..."


def _number(salt: str) -> int:
    return int.from_bytes(hashlib.sha256(salt.encode("utf-8", "surrogateescape")).digest()[:6], "big")
