"""Whether a prompt stands alone, or leans on talk, output or a state of the files that whoever gets it does not have.

Told by its words and by whether anything was said before it: a prompt in the middle of a session mostly goes on with
what was said, so that it must name what it is about. The first of a session is held only to what it says itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from worktrial.mine.wishes import own_words, wishing

Before = Literal["nothing", "lost", "given"]
"""What was said in a session before a prompt: nothing, or something that whoever gets the prompt is not told ("lost"),
or is told too ("given")."""

_LOOKED_AT = 6000
"""Characters of a prompt's own words that are looked at."""
_SHORT = 12
"""Words up to which an answer is an answer and nothing besides."""

_NAMES = re.compile(
    r"`[^`\n]{2,}`|\"[^\"\n]{3,}\"|\u201c[^\u201d\n]{3,}\u201d|(?<![\w'])'[^'\n]{3,}'(?!\w)"
    r"|(?<![\w-])--?[a-z][\w-]+|\b[A-Za-z]\w*\(\)|\b\w+_\w+\b|\b[a-z]+[A-Z]\w*\b|\b(?:[A-Z][a-z0-9]+){2,}\b"
    r"|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w+)+\b|(?<![\w/])[\w.@-]*/[\w.-]+/[\w./-]+|(?<![\w.])\.[a-z][\w.-]+\b"
)
"""What stands for one thing in a program: an identifier, a path, a flag, or words in quotes."""
_BRANDS = re.compile(
    r"(?i)\b(?:github|gitlab|bitbucket|openai|open(?:code|router|telemetry)|(?:type|java|coffee)script|chatgpt"
    r"|postgresql|postgres|mysql|macos|ios|vscode|devops|nodejs|node\.js|next\.js|vue\.js|linkedin|youtube|posthog"
    r"|langchain|deepseek|i\.e|e\.g|mcp|readme\.md|claude\.md|agents\.md|changelog\.md)\b|\bhttps?://\S+"
)
"""Written like names in a program, but products and pages: they say nothing of where a change belongs."""

_POINTING = (
    r"(?:it(?:'s|self)?|them|those|these|both|(?:all|both|some|each|none|most|any) of (?:it|them|those|these|that|this)"
    r"|(?:this|that)(?: (?:one|too|as well|all|way))?|all"
    r"|(?:the|these|those|all(?: the)?|your|any) (?:\w+ )?(?:improvements?|fix(?:es)?|suggestions?|recommendations?"
    r"|gaps?|findings?|steps?|points?|rest)"
    r"|the (?:first|last|second|third|next)(?: (?:one|two|three|few|ones|thing|part|bit|step|point|item|option"
    r"|change))?"
    r"|the (?:other|remaining|missing|same|latter|former|above)(?: \w+){0,2}"
    r"|(?:these|those) (?:\w+ )?\w+s|another(?: one)?)"
)
_VERBS = (
    r"do|try|fix|add|use|implement|change|make|apply|start|address|set|build|complete|finish|remove|drop|delete|keep"
    r"|replace|rename|revert|undo|update|move|hide|show|include|merge|split|extract|refactor|simplify|test|write|handle"
    r"|improve|extend|clean up|get rid of|go (?:with|for)|take|put|roll back|restore|continue with|begin with"
    r"|adjust|skip|redo|rewrite|cover|document"
)
_LEAD = (
    r"(?:(?:please|pls|ok(?:ay)?|yes|yeah|yep|no|nah|now|and|also|so|then|just|maybe|great|good|right|sure|fine|cool"
    r"|perfect|thanks|thank you|alright|hm+|well|but|actually|first|next|let'?s|lets|let us|go ahead(?: and)?"
    r"|(?:can|could|should|would|will) (?:you|we|i)|(?:i|we)(?:'d| would| do)?(?: also| still| really| just)?"
    r" (?:want|like|need|should|must|have)(?: you)?(?: to)?|i think|i guess|i suppose|try to|make sure"
    r" to)\b[\s,.!:;-]*)*+"
)

Signal = tuple[str, re.Pattern[str]]

ALWAYS: tuple[Signal, ...] = (
    (
        "answer",
        re.compile(
            r"(?im)\A\W*(?:(?:\d|[a-d])[.)]\W*)?(?:y|yes|yeah|yep|yup|nope|nah|no(?=\s*[,.;:!]| that| it| i | we|"
            r" need| way)"
            r"|correct|exactly|agreed?|approved?|understood|sounds good|makes sense|got it|never ?mind|sorry|both"
            r"|neither"
            r"|either|i agree|lgtm)\b(?! (?:of|and|sides)\b)|^\W*\d[.)] ?(?:yes|yeah|yup|yep|no|nope|agreed?|ok|sure)\b"
        ),
    ),
    (
        "going_on",
        re.compile(
            r"(?i)\b(?:continue|resume|carry on|keep going|go on|proceed|start) (?:from|with) (?:where|what|the (?:next"
            r"|remaining|rest|above|previous|last))\b|\b(?:pick(?:ing)? up|continu(?:e|ing))(?: from)? where\b"
            r"|\bwhere (?:we|you|i|it) (?:left|stopped)\b|\b(?:you are|you're) taking over\b|\btry (?:it )?again\b"
            r"|\bback to (?:the|our|what) (?:original|previous|earlier)?\s*(?:question|plan|discussion|approach)\b"
            rf"|\A\W*{_LEAD}(?:continue|proceed|keep going|carry on|go on|go ahead|resume)\W*\Z"
        ),
    ),
    (
        "what_was_done",
        re.compile(
            r"(?i)\b(?:what|the \w+(?: \w+)?|that|which|as|like|where|code|changes?|tests?|way) (?:you|we)(?:'ve| have|"
            r" had)?(?: just| already| actually| never| also)* (?:did|done|made|wrote|written|added|changed|removed"
            r"|fixed|found|said|agreed"
            r"|discussed|proposed|suggested|planned|decided|built|created|implemented|talked)\b"
            r"|\b(?:you|we)(?:'ve| have)?(?: just| already| actually| never)+ (?:did|done|made|wrote|written|added"
            r"|changed|removed|fixed"
            r"|found|said|built|created|implemented|merged|pushed)\b"
            r"|\byour (?:last|previous|changes?|edits?|fix|answer|output|summary|implementation|findings?|work|list"
            r"|skills?|memory"
            r"|recommendations?|replies|reply)\b|\b(?:you|we) (?:said|agreed|discussed|decided on)\b"
        ),
    ),
    (
        "numbered",
        re.compile(
            r"(?i)\b(?:suggestions?|points?|items?|options?|findings?|recommendations?|proposals?|ideas?|approach"
            r"|alternatives?|gaps?) #?(?:\d+|[a-d]\b)|\A\W*#\d+\b|\b(?:number|no\.) \d+ (?:and|from|in|of|on)\b"
            r"|\bthe (?:first|last|second|third|other) (?:one|two|three|few|ones?|option|suggestion|point|approach)\b"
            r"|\b(?:do|go (?:with|for)|like|prefer|think|choose|take) (?-i:[A-D])\b(?! \w+ing)|\brecommended "
            r"(?:option|approach)\b"
        ),
    ),
    (
        "failing_state",
        re.compile(
            r"(?i)\A\W*(?:(?:\w+ ){0,3}?fix )?(?:the |all |all the |some |any |my |our )*(?:(?:\w+ ){0,2}fail\w+ "
            r"|broken "
            r"|red |mise |unit |integration |e2e |ci |remaining )*(?:tests?|builds?|ci|checks?|pipeline|lint\w*|errors?"
            r"|compilation)(?: (?:issues?|problems?))?(?:\s*(?:/|and|or|,)\s*(?:the )?(?:tests?|builds?|ci|checks?"
            r"|lint\w*))*"
            r"(?: (?:errors?|failures?))?(?: (?:please|now|again|first))*\W*\Z"
            r"|\b(?:running |run )?[`'\"]?(?:mise|make|npm|pnpm|yarn|bun|go|cargo|pytest|tox|just|task"
            r"|uv)\b[^\n.]{0,40}?"
            r"(?:test|lint|check|build|ci)\S*[`'\"]? (?:\w+ )?(?:shows?|is|are|fails?|gives?|still|has|reports?)\b"
            r"(?! (?:\w+ )?(?:not|no|when|if|on)\b)[^\n]{0,60}\s*\Z"
        ),
    ),
    (
        "whatever_there_is",
        re.compile(
            r"(?i)\b(?:any|all|whatever|every)\b(?: \w+){0,4} (?:issues?|problems?|errors?|warnings?|bugs?|things?"
            r"|smells?"
            r"|improvements?)?\s*(?:that )?(?:you|we) (?:can )?(?:notice|find|see|spot|come across|encounter|think"
            r" of)\b"
        ),
    ),
    (
        "nothing_before",
        re.compile(
            rf"(?i)\A\W*{_LEAD}(?:{_VERBS}|build|run|debug|check)(?<!make)(?<!keep)(?<!take)"
            r" (?:it|them|those|these)\b(?! (?:possible|so)\b)[^:\n]*(?:\n|\Z|[.?!] )"
        ),
    ),
    (
        "pointing",
        re.compile(
            rf"(?i)\A\W*{_LEAD}(?:{_VERBS})(?: up| back| out| down)? {_POINTING}"
            r"(?:(?:\s+(?:all|up|please|right|now|then|too|first|as well|both|back|out|here|there|instead|again|later"
            r"|and"
            r" (?:commit|push)\w*|from .{1,30}|in .{1,30}|with .{1,60}|for .{1,40}|to .{1,40}))*)\W*(?:\n|\Z|[.,;!?] )"
        ),
    ),
)
"""Speak against any prompt, the first of a session too."""

LOST: tuple[Signal, ...] = (
    (
        "reaction",
        re.compile(
            r"(?i)\A\W*(?:hm+|u+h+|a+h+|oh|wait|gah|who+ps|whoa|wow|looks? (?:like it|good)|it (?:still )?(?:works?"
            r"|worked))\b"
            r"|\A(?:\W*+\w++){0,12}?\W*\bstill (?:\w+ )?(?:fail|didn'?t|doesn'?t|not|broken|see|get|seem|have|an? )"
            r"|\A\W*(?:here(?:'s| is| are)|how about this|what about)\b"
            r"|\b(?:implement|make|apply|do|address|add|fix) (?:those|these|all the|your) (?:\w+ )?(?:changes|fix"
            r"(?:es)?|edits|points"
            r"|suggestions|improvements|updates|ideas|issues|items|gaps|things)\b"
            rf"|\A\W*{_LEAD}(?:{_VERBS}|build|create) (?:this|that) \w+\b(?! is\b)"
        ),
    ),
    ("part_of_a_document", re.compile(r"\A\s*#{2,6}\s")),
)
"""Speak against a prompt before which something was said."""

LOST_AND_SHORT: tuple[Signal, ...] = (
    (
        "short_answer",
        re.compile(
            r"(?i)\A\W*(?:no|ok|okay|sure|right|great|good|perfect|fine|cool|nice|thanks|thank you|true|oops"
            r"|i (?:see|don'?t|didn'?t|thought|meant|guess|just))\b"
        ),
    ),
    (
        "in_between",
        re.compile(
            r"(?i)\b(?:instead of (?:that|this)|the (?:other|same) (?:one|way|thing|for)|as well\W*\Z|too\W*\Z|do the"
            r" same"
            r"|same (?:as|for|with|goes)|like (?:that|this|before)\b(?!:)|(?:as|than|like) before|again\W*\Z"
            r"|anymore\W*\Z"
            r"|back (?:in|out)\W*\Z|this (?:approach|session|point|issue|case|problem|idea|plan|change|way)"
            r"|that (?:approach|case|issue|problem|idea|plan|change|way|part|fix)|these changes|right\?|so then\b"
            r"|(?:my|your|our) (?:question|point|concern|change|branch)|back and forth"
            r"|let'?s (?:pause|wait|stop|keep going|go back|step back|continue))"
        ),
    ),
    (
        "points_back",
        re.compile(
            rf"(?i)\A\W*{_LEAD}(?:(?:it|this|that|these|those|they|he|she)(?:'s|'re|'ll|'d)?\b(?! \w+ is)"
            r"|(?:but|or|because|since|which|whereas|unless|except|meaning|not)\b)"
        ),
    ),
)
"""The same, but what names its subject and goes on for a while may begin like that and yet say all there is to know."""


def leans_on(prompt: str, before: Before) -> str | None:
    """Return what shows that a prompt does not stand alone, as a rule's name and the words it met; None: nothing does.

    What follows a prompt that is given too may lean on that.
    """
    return None if before == "given" else next(_signs(prompt, lost=before == "lost"), None)


def _signs(prompt: str, *, lost: bool) -> Iterator[str]:
    words = own_words(prompt)[:_LOOKED_AT]
    said = " ".join(words.split())
    if not re.search(r"\w", said):
        yield "output_alone: no words besides what was pasted"
        return
    for name, pattern in ALWAYS:
        if found := pattern.search(words.strip()):
            yield f"{name}: {' '.join(found[0].split())[:80]}"
    if not lost:
        return
    for name, pattern in LOST:
        if found := pattern.search(words.strip()):
            yield f"{name}: {' '.join(found[0].split())[:80]}"
    named = any(_NAMES.search(_BRANDS.sub(" ", sentence)) for sentence in wishing(prompt))
    if not named:
        yield "names_nothing: said in the middle of a conversation"
    if len(said.split()) > _SHORT:
        return
    for name, pattern in LOST_AND_SHORT:
        if found := pattern.search(said):
            yield f"{name}: {' '.join(found[0].split())[:80]}"
