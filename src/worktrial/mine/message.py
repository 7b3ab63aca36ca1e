"""From commit and merge messages to what was asked, before it is cleaned."""

from __future__ import annotations

import re

from worktrial.mine.history import Commit
from worktrial.mine.landed import Landed

_BOILERPLATE = re.compile(
    r"(?:merge pull request \S+ from \S+|merged in \S+ \(pull request #\d+\)|merge (?:remote-tracking )?branch\b.*"
    r"|merge (?:commit|tag) '.*|merge #\d+.*|merge commit from fork|merge pull request from ghsa-\S+"
    r"|automerge .*|pull request #\d+: \S+)\s*",
    re.IGNORECASE,
)
_BRANCH = re.compile(r"(?:from |branch ')(?:[\w.-]+/)?(?P<name>[^\s']+)", re.IGNORECASE)
_CHORE_VERB = (
    r"(?:fix(?:e[sd]|ing|up)?|address\w*|apply|adjust|update\w*|add(?:ed)?|run|minor|mak(?:e|ing)|satisf\w+|re)"
)
_CHORE_NOUN = (
    r"(?:typos?|lint\w*|flake8|mypy|ruff|black\w*|isort|pre-commit|pep-?8|style|format\w*|change\s?logs?"
    r"|changes(?:\.\w+)?|review\w*|pr|feedback|comments?|suggestions?|tests?|ci|docs?|documentation|nits?|white-?space"
    r"|trailing|docstrings?"
    r"|news|release notes?|fix\w*|failures?|issues?|errors?|warnings?|files?|entry|entries|import order|again|happy)"
)
_CHORE = re.compile(
    rf"(?:fixup|squash|amend)! .*|wip\b.{{0,12}}"
    rf"|\W*(?:{_CHORE_VERB}\b[\s:]*)*(?:(?:the|some|more|a|an|to|for|of|in|from)\s+)*"
    rf"(?:{_CHORE_NOUN}\b[\s.!,]*(?:(?:and|for|to|in|of)\s+)?)*|.*\b(?:change\s?log|changes\.\w+|news fragment)\b.*"
    r"|.*\bchanges? (?:to|in|into) (?:the )?\w+ section\W*|merge (?:branch|remote|pull|main|master)\b.*"
    r"|update [\w./-]+\.\w+"
    r"|apply suggestions? from .*|\[pre-commit\.ci.*|.{0,3}",
    re.IGNORECASE,
)
_NO_TEXT = re.compile(r"[\w-]+: |-{3,}|for more information, see", re.IGNORECASE)
_FEW_WORDS = 3
"""A commit on a branch with a shorter subject and no text is a step on the way, not part of what was wanted."""

_ITEM = re.compile(r"^(?=\* )", re.MULTILINE)


def whole_message(landed: Landed) -> str:
    """Return all messages of a change as they stand in history: the merge's first, then its commits', oldest first."""
    parts = [landed.commit.message]
    if landed.kind == "merge":
        parts += [commit.message for commit in reversed(landed.brought)]
    return "\n\n".join(dict.fromkeys(part for part in parts if part))


def request(landed: Landed) -> str:
    """Return what the messages of a change ask for, uncleaned.

    Of a merge that is the pull request's title and text, where the merge has them; what a single commit says beyond
    them follows. Where the merge says nothing of its own, its commits speak. Chores (lint, typos, changelog) and
    repetitions among the items of a list of commits are left out.
    """
    if landed.kind == "commit":
        return _without_chores(landed.commit.message)
    own = _own_words(landed.commit)
    if len(landed.brought) == 1:
        said = landed.brought[0].message
        return _without_chores(_joined(own, said) if own else said)
    if "\n" in own.strip():
        return _without_chores(own)
    return "\n\n".join(part for part in (own, _listed(landed.brought, own)) if part)


def forge_line(landed: Landed) -> str:
    """Return the line that the forge or git wrote over a merge, which is no part of the request; empty without one."""
    is_one = landed.kind == "merge" and _BOILERPLATE.fullmatch(landed.commit.subject)
    return landed.commit.subject if is_one else ""


def _own_words(merge: Commit) -> str:
    """Return a merge's message without the line that the forge or git wrote; empty when nothing else is there.

    A title that only repeats the branch's name is such a line too.
    """
    if not _BOILERPLATE.fullmatch(merge.subject):
        return merge.message
    rest = merge.message.partition("\n")[2].strip()
    title, _, body = rest.partition("\n")
    branch = _BRANCH.search(merge.subject)
    if branch and _letters(title) in _letters(branch["name"]):
        return body.strip()
    return rest


def _joined(own: str, said: str) -> str:
    """Return the merge's words, then those paragraphs of the commit's body that it does not have already."""
    body = said.partition("\n")[2]
    known = _letters(own)
    more = [part for part in re.split(r"\n\s*\n", body) if _letters(part) and _letters(part) not in known]
    return "\n\n".join([own, *(part.strip("\n") for part in more)])


def _listed(brought: tuple[Commit, ...], title: str) -> str:
    """Return the subjects of several commits as a list, oldest first; a lone one with no title before it as it is."""
    telling = [commit for commit in reversed(brought) if not _CHORE.fullmatch(commit.subject)]
    if not title and len({commit.subject for commit in telling}) == 1:
        return telling[0].message
    known = _letters(title)
    subjects = dict.fromkeys(commit.subject for commit in telling if _letters(commit.subject) not in known)
    return "\n".join(f"- {subject}" for subject in subjects)


def _without_chores(message: str) -> str:
    """Return the message of a squashed branch without those of its commits that are chores or repeat the title.

    A forge puts an empty line between the commits; a list without is someone's own, and stays.
    """
    title, _, body = message.partition("\n")
    before, *items = _ITEM.split(body)
    if not items or not all(item.endswith("\n\n") for item in items[:-1]):
        return message
    return "\n".join([title, before + "".join(_without_noise(item, title) for item in items)])


def _without_noise(item: str, title: str) -> str:
    """Return an item of a list of commits; without its first line when that is the whole's title, or a chore.

    Trailers that follow stay for the cleaning to list.
    """
    first, _, rest = item[2:].partition("\n")
    if _letters(first) in _letters(title):
        return rest.lstrip("\n")
    has_text = any(line.strip() and not _NO_TEXT.match(line) for line in rest.split("\n"))
    is_noise = not has_text and (_CHORE.fullmatch(first.strip()) or len(first.split()) < _FEW_WORDS)
    return rest.lstrip("\n") if is_noise else item


def _letters(text: str) -> str:
    """Return what two wordings of the same have in common: no `fix(core):` before it, no marks, no case."""
    return re.sub(r"[^a-z0-9]+", "", re.sub(r"^\w+(?:\([^()]*\))?!?: ", "", text.strip("* \n")).lower())
