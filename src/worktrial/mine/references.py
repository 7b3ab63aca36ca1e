"""Numbers of and links to issues and changes: taken out where the sentence stands without them, reworded elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from worktrial.mine.forms import Kind
from worktrial.mine.quoted import code_spans

Note = Callable[[Kind, str], None]

_NUMBER = r"(?<![\w&/#.-])(?:[\w.-]+/)?(?:[\w.-]+(?=#))?(?:#\d+|(?:gh|bpo|issue|pr)-\d+)(?![\w-])"
_URL_REST = r"[^\s<>()\[\]\"'`]*"
_PLACE = (
    r"/(?:pull|pulls|pull-requests|issues?|commits?|compare|merge_requests|discussions|changeset|ticket|rev)/"
    r"|/D\d+\b|/c/[\w/.+-]*\d|/\+(?:bug)?/\d+|show_bug\.cgi\?id=|issues/detail\?id=|issue\d+|/(?:blob|tree|raw|src|blame)/[0-9a-f]{7,40}\b"
    r"|/(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,40}\b"
)
_URL = rf"<?https?://[^\s<>()\[\]\"'`]{{0,300}}?(?:{_PLACE}){_URL_REST}(?<![.,;:!?])>?"
_MARKED = rf"\[[^\[\]\n]{{0,200}}\]\({_URL}\)"
_TARGET = re.compile(rf"{_MARKED}|{_URL}|{_NUMBER}", re.IGNORECASE)

_VERBS = (
    r"clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|address(?:e[sd]|ing)?|implement(?:s|ed|ing)?"
    r"|solv(?:e[sd]?|ing)|supersed(?:e[sd]?|ing)|replac(?:e[sd]|ing)|complet(?:e[sd]?|ing)|continu(?:e[sd]?|ing)"
)
_POINTERS = (
    r"refs?|references?|see(?: also)?|cf\.?|re|related(?: to)?|relates to|part of"
    r"|follow(?:s|[- ]?up)?(?: (?:to|of|on))?|backports?(?: of)?|depends on|based on"
    r"|as (?:reported|described|discussed) in|from|for|xref|links?"
)
_NOUNS = r"(?:github |gh )?(?:issues?|bugs?|tickets?|prs?|pull requests?|discussions?|tasks?)"
_LEAD = re.compile(
    r"(?:(?<=[^\w.-])|^)(?:(?:this|it|that)(?: (?:commit|change|patch|pr))?(?: (?:should|will))? )?"
    rf"(?:(?:also |partially |partly |and |& )*(?:{_VERBS}|{_POINTERS}|{_NOUNS})(?!\w)[ \t]*:?[ \t]*){{1,8}}$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    rf"[ \t]*(?:(?:,|/|&|\+|;|and|or|also)\s*)*(?:(?:{_VERBS}|{_NOUNS})[ \t]*:?[ \t]*)*", re.IGNORECASE
)
_THIRD_PERSON = re.compile(r"(?:closes|fixes|resolves|refs|addresses|implements)[ \t:]*$", re.IGNORECASE)
_HANGS = re.compile(r"(?:^|\b(?:and|or|but|also|which|that|this|it|\w+ly))$", re.IGNORECASE)
_AFTER_WHICH = re.compile(
    r"\b(?:by|from|since|after|until|before|like|prs?|pull requests?|follow[- ]?up(?: (?:to|of|on))?|reverts?"
    r"|backports?|cherry-picks?|ports?)[ \t]*$",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"(?:\b(?:the|an?|this)[ \t]+)?\b{_NOUNS}[ \t]*:?[ \t]*$|\b(?:the|an?)[ \t]+$", re.IGNORECASE)
_GOVERNS = re.compile(
    r"\b(?:by|from|since|after|until|before|like|in|of|to|as|on|or|and|for|per|via|with|about|under|than|into|the|is|was"
    rf"|when|that|this|{_VERBS}|{_POINTERS}|{_NOUNS})[ \t]*:?[ \t]*$",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(
    rf"^[ \t]*(?:[-*+][ \t]+)?(?:(?:{_VERBS}|{_POINTERS}|{_NOUNS})(?!\w)[ \t]*){{1,8}}"
    r"(?:(?<=see)|(?<=also)|(?<=ref)|(?<=refs)|:)[ \t]*$"
    r"(?=\s*\Z|\n\s*\n(?![ \t]*(?:[-*+\d>]|```)))",
    re.IGNORECASE | re.MULTILINE,
)
_OPENED = re.compile(r"(?<![ \t])[ \t]*[(\[](?P<words>[^()\[\]]*)$")
_DASHES = "\N{EN DASH}\N{EM DASH}"
_END = re.compile(r"[ \t]*(?:[.!](?=\s|$)|$)")
_BULLET = re.compile(r"[ \t]*(?:[-*+>][ \t]+|\d+\.[ \t]+)?\[?$")


def without_references(text: str, note: Note) -> str:
    """Return text without numbers and links of changes, except within code."""
    code = code_spans(text)
    targets = [
        found.span() for found in _TARGET.finditer(text) if not any(start <= found.start() < end for start, end in code)
    ]
    # From the last to the first: what stands at the end of a line is then seen to do so, and positions stay true.
    while targets:
        start, end = targets.pop()
        while targets and _BETWEEN.fullmatch(text, targets[-1][1], start):
            start = targets.pop()[0]
        cut_from, cut_to, put = _decide(text, start, end)
        note("link" if "://" in text[start:end] else "reference", text[cut_from:cut_to])
        text = text[:cut_from] + put + text[cut_to:]
        while targets and targets[-1][1] > cut_from:
            targets.pop()
    for found in _LEFT_OVER.finditer(text):
        note("reference", found.group())
    return _LEFT_OVER.sub("", text)


def _decide(text: str, start: int, end: int) -> tuple[int, int, str]:
    """Return what to cut around a run of targets, and what to put there."""
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    before, after = text[line_start:start], text[end : line_end if line_end >= 0 else len(text)]
    lead = _just_before(_LEAD, before)
    place = _Place(before, after, before[: lead.start()] if lead else before, bool(lead))
    for cut in (_bracketed, _alone, _ahead, _sentence, _tail, _aside):
        if found := cut(place):
            return line_start + found[0], end + found[1], ""
    return _reword(text, line_start, start, end)


def _just_before(pattern: re.Pattern[str], before: str) -> re.Match[str] | None:
    """Search the end of a line's part; lines without end are no reason to look all along them."""
    return pattern.search(before, max(0, len(before) - 200))


@dataclass(frozen=True)
class _Place:
    """The line around a run of targets. What is to be cut is counted from the line's start and from the run's end."""

    before: str
    after: str
    rest: str
    """What stands before, without the words that lead up to the run (`closes`, `see also`, `issue`)."""
    led: bool
    """Whether there are such words."""


def _bracketed(place: _Place) -> tuple[int, int] | None:
    """Cut brackets that hold little else."""
    opened = _just_before(_OPENED, place.before)
    closed = re.match(r"(?P<words>[^()\[\]]*)[)\]](?!\()", place.after)
    if opened and closed and len((opened["words"] + closed["words"]).split()) <= 6:
        return opened.start(), closed.end()
    return None


def _alone(place: _Place) -> tuple[int, int] | None:
    """Cut a line that holds nothing else."""
    if _BULLET.fullmatch(place.rest) and re.fullmatch(r"\]?[\s.;,:!]*", place.after):
        return 0, len(place.after)
    return None


def _ahead(place: _Place) -> tuple[int, int] | None:
    """Cut what stands before a title: `#12: Title`, `[#12] Title`, `Fixed #12 -- Title`, `fix: #12 title`."""
    if not _BULLET.fullmatch(place.rest):
        return None
    if found := re.match(rf"\]?[ \t]*(?:(?::|--?|[{_DASHES}|])[ \t]+|(?<=\])[ \t]+)(?=\S)", place.after):
        return len(place.rest.rstrip("[")), found.end()
    titled = r"[ \t]+(?=\S)" if place.before.rstrip().endswith(":") else r"[ \t]+(?=[A-Z`])"
    if (not place.led or place.before.rstrip().endswith(":")) and (found := re.match(titled, place.after)):
        return len(place.before), found.end()
    return None


def _sentence(place: _Place) -> tuple[int, int] | None:
    """Cut a sentence of its own: `Fixes #12.`"""
    stop = _END.match(place.after)
    rest = place.rest.rstrip()
    if stop and place.led and (not rest or rest.endswith((".", "!", "?"))):
        return len(rest), stop.end()
    return None


def _tail(place: _Place) -> tuple[int, int] | None:
    """Cut what a sentence ends with and does not need: `…, see #12`, `… fixes #12`."""
    if not _END.match(place.after):
        return None
    rest = place.rest.rstrip()
    if rest.endswith((",", ";", ":", *_DASHES, " -", " --")):
        return len(rest.rstrip(f",;: -{_DASHES}")), 0
    if _THIRD_PERSON.fullmatch(place.before[len(place.rest) :]) and not _just_before(_HANGS, rest):
        return len(rest), 0
    return None


def _aside(place: _Place) -> tuple[int, int] | None:
    """Cut a number thrown in behind words that stand without it: `shell completion #12`."""
    said = place.before.rstrip()
    if (
        re.match(r"[ \t]*(?:[,;:.!)]|$)", place.after)
        and " " in said.lstrip()
        and not _just_before(_GOVERNS, place.before)
    ):
        return len(said), 0
    return None


def _reword(text: str, line_start: int, start: int, end: int) -> tuple[int, int, str]:
    """Return what to cut and the words that take the place of a run in the middle of a sentence."""
    if (marked := re.fullmatch(r"\[([^\[\]]+)\]\([^()]*\)", text[start:end])) and not _TARGET.search(marked[1]):
        return start, end, marked[1]
    before = text[line_start:start]
    several = len(_TARGET.findall(text[start:end])) > 1
    change = _just_before(_AFTER_WHICH, before)
    put = (
        ("earlier changes" if several else "an earlier change")
        if change
        else ("the reported issues" if several else "the reported issue")
    )
    if named := _just_before(_NAMED, before):
        start = line_start + named.start()
    ahead = text[:start].rstrip(" \t")
    if not ahead or ahead.endswith((".", "!", "?", "\n\n")):
        put = put[0].upper() + put[1:]
    return start, end, put
