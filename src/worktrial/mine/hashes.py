"""Object ids in messages: with one, the solution is a `git show` or a search away."""

from __future__ import annotations

import re
from collections.abc import Callable

# Not within a word or a UUID, and not a colour; a full id is neither.
_HEX = r"(?:(?<![\w#-])[0-9a-f]{7,39}|(?<!\w)[0-9a-f]{40})(?!\w|-[0-9a-f]{4}-)"
_HASHES = re.compile(
    r"(?P<open>(?<![ \t])[ \t]*\([ \t]*)?"
    r"(?P<word>\b(?:(?:the|git)[ \t]+)*(?:commits?|changesets?|revisions?|revs?|csets?|sha1?|hash)\b[ \t:]*)?"
    rf"`?(?P<hex>{_HEX})`?"
    rf"(?P<more>(?:(?:[ \t]*(?:,|&|\.{{2,3}})|[ \t]+and\b)[ \t]*`?{_HEX}`?)*)"
    r"(?P<close>[ \t]*\))?",
    re.IGNORECASE,
)
_DESCRIBED = re.compile(r"-g(?P<hex>[0-9a-f]{7,40})(?!\w)")


def looks_like_id(word: str) -> bool:
    """Tell whether a hexadecimal word has digits and letters, as ids have, and is no number such as `1000000e5`."""
    return bool(re.search(r"\d", word) and re.search(r"[a-f]", word, re.IGNORECASE)) and not re.fullmatch(
        r"\d+e\d+", word, re.IGNORECASE
    )


def without_hashes(text: str, is_commit: Callable[[str], bool], note: Callable[[str], None]) -> str:
    """Return text without object ids; where one stood in a sentence there is a commit without a name.

    `is_commit` tells of a lower-case word that looks like nothing whether it is an id all the same.
    """

    def leaks(word: str) -> bool:
        return looks_like_id(word) or is_commit(word.lower())

    def replace(found: re.Match[str]) -> str:
        if not leaks(found["hex"]):
            return found.group()
        note(found["hex"])
        more = re.findall(_HEX, found["more"], re.IGNORECASE)
        if not all(leaks(word) for word in more):
            return found.group().replace(found["hex"], "an earlier commit", 1)
        for word in more:
            note(word)
        if found["open"] and found["close"]:
            return ""
        named = "earlier commits" if more else "an earlier commit"
        if found.string[: found.start()].rstrip(" \t").endswith(("\n\n", ". ", ".\n")):
            named = named[0].upper() + named[1:]
        return f"{found['open'] or ''}{named}{found['close'] or ''}"

    def described(found: re.Match[str]) -> str:
        note(found["hex"])
        return ""

    return _HASHES.sub(replace, _DESCRIBED.sub(described, text))
