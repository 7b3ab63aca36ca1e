"""Parts of a message that no one wrote to be read as a request: forms, robots' lines, trailers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["hash", "link", "reference", "trailer", "template", "code"]


@dataclass(frozen=True)
class Form:
    """A pattern that is taken out wherever it stands."""

    kind: Kind
    pattern: re.Pattern[str]
    """Whole lines where it spans lines; words with the blanks before them otherwise."""


def _form(kind: Kind, pattern: str) -> Form:
    return Form(kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE))


_BY = (
    r"(?:co-?(?:authored|developed|committed)|signed-off|reviewed|acked|tested|reported|suggested|helped|mentored"
    r"|approved|merged|requested|assisted|generated|noticed|diagnosed|committed|authored|landed|inspired)-by"
)
_KEYS = (
    r"cc|change-id|git-svn-id|(?:source|original|upstream)-commit|commit-id|reviewed-(?:on|at)|piperorigin-revid"
    r"|differential[ -]revision|cr-commit-position|gerrit-[\w-]+|backport-of|origin-revision|claude-session|pr-url"
    r"|(?:closes|related|partial|implements)-bug|commit-queue|auto-submit|on-behalf-of|svn-\w+|hg-\w+|paired-with"
    r"|thanks-to|based-on-patch-by|x-[\w-]+|(?:see-)?merge-request|(?:jira|issue|bug)(?=:[ \t]*[a-z]+-?\d+[ \t]*$)"
)

FORMS: tuple[Form, ...] = (
    _form("template", r"<!--(?:(?!<!--)[\s\S])*?-->"),
    _form("template", r"^[ \t]*(?:[-*+]|\d+\.)[ \t]+\[[ x]?\](?=[ \t]|$).*(?:\n[ \t]+(?![-*+] )\S.*)*"),
    _form("template", r"^#{1,6}[ \t]*(?:(?:pr |pull request )?check ?list|type of change)\b.*$"),
    _form("template", r"^(?:[ \t]*[-*+][ \t]+)?apply suggestions? from (?:\S+ )?code review\.?[ \t]*$"),
    _form(
        "template", r"^(?:[ \t]*[-*+][ \t]+)?\[pre-commit\.ci\b.*$|^for more information, see https://pre-commit\.ci.*$"
    ),
    _form("template", r"^\W{0,3}[ \t]*generated (?:with|by) \[?(?:claude|copilot|cursor|codex|devin)\b.*$"),
    _form("template", r"^#?[ \t]*conflicts:[ \t]*(?:\n(?:#[ \t]*|[ \t]+)[\w./-]+[ \t]*)+$"),
    _form("template", r"^---\nupdated-dependencies:\n[\s\S]{0,5000}?^\.\.\.[ \t]*$"),
    _form("reference", r"\Amerge pull request \S+ from \S+[ \t]*$|^see merge request \S+[ \t]*$"),
    _form("reference", r"\Amerged in \S+ \(pull request #\d+\)[ \t]*$"),
    _form("reference", r"(?<![ \t])[ \t]*\brefs/(?:pull|merge-requests|changes)/[\w/]+"),
    _form("trailer", rf"^[ \t]*(?:{_BY}|{_KEYS}):[ \t]*\S.*(?:\n[ \t]+[^\n]*@[^\n]*)*$"),
    _form(
        "trailer",
        r"(?<![ \t])[ \t]*\(?\b(?:cherry[- ]picked|backported)[ \t]+from[ \t]+(?:commit[ \t]+)?[0-9a-f]{7,40}\b\)?\.?",
    ),
    _form(
        "trailer",
        r"^[ \t]*[\w-]+(?: \w+)?:[ \t]*(?:commit[ \t]+)?(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,40}\.?[ \t]*$",
    ),
    _form("trailer", r"^[ \t]*reverts? [\w.-]+/[\w.-]+#\d+\.?[ \t]*$"),
)
