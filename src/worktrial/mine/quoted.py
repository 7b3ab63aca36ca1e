"""Code in messages: where it stands, and which of it is the solution."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

_FENCE = re.compile(
    r"^(?P<mark>[ \t]*(?:`{3,}|~{3,}))[ \t]*(?P<language>[\w+-]*)[^\n`]*\n"
    r"(?P<code>[\s\S]*?)(?:^(?P=mark)[ \t]*$|\Z)\n?",
    re.MULTILINE,
)
_INLINE = re.compile(r"(?<!`)(?P<ticks>`+)[^`\n](?:[^\n]*?[^`\n])?(?P=ticks)(?!`)")
_PATCH = re.compile(
    r"^(?:diff --git [^\n]*\n|index [0-9a-f]+\.\.[^\n]*\n|--- \S[^\n]*\n\+\+\+ \S[^\n]*\n"
    r"|@@ -\d[^\n]*(?:\n|\Z)(?:[ +\\-][^\n]*(?:\n|\Z))*)+",
    re.MULTILINE,
)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}|\t)[^\n]+(?:\n(?: {4}|\t)[^\n]+|\n[ \t]*(?=\n))*\n*")


def code_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return start and end of every piece of code in Markdown text, fenced or between backticks."""
    if "`" not in text and "~~~" not in text:
        return ()
    fences = [found.span() for found in _FENCE.finditer(text)]
    inline = [found.span() for found in _INLINE.finditer(text)]
    return tuple(fences + [span for span in inline if not any(start <= span[0] < end for start, end in fences)])


def without_solution(text: str, solution: Collection[str], note: Callable[[str], None]) -> str:
    """Return text without patches, and without code blocks most of whose lines are in `solution`."""

    def fence(found: re.Match[str]) -> str:
        language, code = found["language"].lower(), found["code"]
        is_patch = language in ("diff", "patch", "suggestion") or _PATCH.search(code) is not None
        return drop(found) if is_patch or quotes(code, solution) else found.group()

    def indented(found: re.Match[str]) -> str:
        return drop(found) if quotes(found.group(), solution) else found.group()

    def drop(found: re.Match[str]) -> str:
        note(found.group())
        return ""

    return _INDENTED.sub(indented, _PATCH.sub(drop, _FENCE.sub(fence, text)))


def quotes(code: str, solution: Collection[str]) -> bool:
    """Tell whether most of the telling lines of `code` are lines of the solution."""
    lines = [line.strip() for line in code.splitlines()]
    telling = [line for line in lines if len(line) > 8 and not line.startswith(("#", ">>>"))]
    return sum(line in solution for line in telling) * 2 > len(telling)
