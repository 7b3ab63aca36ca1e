"""Putting the witness into Go files: every test says when its body begins and when it has come to its end.

What is put in stands on lines that are there already, so that no line changes its number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from worktrial.languages.golang.scan import ScanError, Token, body_of, code, matching
from worktrial.languages.golang.syntax import test_functions
from worktrial.languages.golang.witness import Witness

Edit = tuple[int, int, str]
"""Characters from, to, and what takes their place."""


@dataclass(frozen=True)
class Body:
    """A test's function: indices of its tokens, comments left out."""

    name: int
    parameters: tuple[int, int]
    """Of the brackets around them."""
    braces: tuple[int, int]


def bodies(found: list[Token], names: Collection[str]) -> Iterator[Body]:
    """Yield the functions of a file that are called so, methods left out."""
    index = 0
    while index < len(found):
        token = found[index]
        if token.kind == "name" and token.text == "func":
            braces = body_of(found, index)
            if found[index + 1].text in names and found[index + 2].text == "(" and braces is not None:
                yield Body(index + 1, (index + 2, matching(found, index + 2)), braces)
            index = braces[1] if braces is not None else index
        elif token.kind == "sign" and token.text in "({":
            index = matching(found, index)
        index += 1


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return a text with its edits made; of several at one place the first comes first."""
    parts, at = [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[0]):
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


def importing(found: list[Token], witness: Witness) -> Edit:
    """Return the edit that imports the witness. Raises `ScanError` where no package clause is."""
    if len(found) < 2 or found[0].text != "package":
        raise ScanError("no package clause")
    return found[1].end, found[1].end, f'; import {witness.alias} "{witness.package}"'


def mark(
    text: str,
    witness: Witness,
    numbers: Mapping[str, int],
    *,
    one_by_one: bool = False,
    renamed: Mapping[str, str] | None = None,
) -> str:
    """Return a test file in which the tests in `numbers` speak to the witness. Raises `ScanError`.

    `one_by_one` keeps tests from going on in parallel, as measuring each alone needs. `renamed` gives functions other
    names.
    """
    found = code(text)
    edits: list[Edit] = []
    for body in bodies(found, numbers):
        name = found[body.name].text
        other = (renamed or {}).get(name, name)
        if other != name:
            edits.append((found[body.name].start, found[body.name].end, other))
        edits += _marks(found, body, f'{numbers[name]}, "{other}"', witness, one_by_one=one_by_one)
    return edited(text, [importing(found, witness), *edits]) if edits else text


def _marks(found: list[Token], body: Body, said: str, witness: Witness, *, one_by_one: bool) -> Iterator[Edit]:
    first, last = body.braces
    opening, closing = found[first], found[last]
    parameter = ""
    if body.parameters[1] > body.parameters[0] + 1:
        name = found[body.parameters[0] + 1]
        parameter = name.text
        if parameter == "*":
            parameter = f"t{witness.alias}"
            yield name.start, name.start, f"{parameter} "
        elif parameter == "_":
            parameter = f"t{witness.alias}"
            yield name.start, name.end, parameter
        yield opening.end, opening.end, f" {witness.alias}.Begin({parameter}, {said});"
        done = f"{witness.alias}.Done({parameter}, {said})"
    else:
        done = f"{witness.alias}.End({said})"
        yield opening.end, opening.end, f" {witness.alias}.Start({said});"
    for index in own(found, first + 1, last):
        token = found[index]
        if token.kind == "name" and token.text == "return":
            yield token.start, token.start, f"{done}; "
        elif one_by_one and is_call(found, index, parameter, "Parallel"):
            yield token.start, found[index + 4].end, ""
    yield closing.start, closing.start, f";{done}"


def own(found: list[Token], start: int, end: int) -> Iterator[int]:
    """Yield the indices of a body's tokens, those inside of other functions left out."""
    index = start
    while index < end:
        token = found[index]
        if token.kind == "name" and token.text == "func" and (inner := body_of(found, index)) is not None:
            index = inner[1] + 1
            continue
        yield index
        index += 1


def is_call(found: list[Token], index: int, what: str, method: str) -> bool:
    """Tell whether a call without arguments, of a method of what is called `what`, begins at `index`."""
    if not what or found[index].text != what or (index > 0 and found[index - 1].text == "."):
        return False
    return [token.text for token in found[index + 1 : index + 5]] == [".", method, "(", ")"]


def reversing(texts: Mapping[str, str], witness: Witness) -> tuple[dict[str, str], str]:
    """Return new names for the tests of a package's files, by old name, and the text of functions that call them.

    Those functions have the tests' names and stand in the opposite order. A test that is named anywhere else keeps its
    place, and examples do: their comments say what they print. The text lacks its package clause; empty: nothing to do.
    """
    order: list[tuple[str, str]] = []
    seen: dict[str, int] = {}
    for path in sorted(texts):
        found = code(texts[path])
        for token in found:
            if token.kind == "name":
                seen[token.text] = seen.get(token.text, 0) + 1
        tests = test_functions(texts[path])
        for body in bodies(found, tests):
            name = found[body.name].text
            if not name.startswith("Example"):
                order.append((name, "T" if name.startswith("Test") else "F"))
    renamed = {name: f"{witness.alias}{name}" for name, _ in order if seen[name] == 1}
    lines = [
        f"func {name}(t *{witness.alias}.{kind}) {{ {renamed[name]}(t) }}"
        for name, kind in reversed(order)
        if name in renamed
    ]
    return renamed, f'; import {witness.alias} "testing"\n' + "\n".join(lines) + "\n" if lines else ""
