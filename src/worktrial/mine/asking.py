"""Whether what a person asked can be a task: told by what the words refer to and what they ask for, nothing else.

Prompts of sessions are judged by all rules. A commit's message describes a change to source and tests that is there, so
that only what it leans on outside of itself speaks against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from worktrial.formats.provenance import PromptKind
from worktrial.mine.filters import Reason
from worktrial.mine.standing import Before, leans_on
from worktrial.mine.wishes import wish_of

_START = 400
"""Characters from the beginning that tell what a prompt is."""


@dataclass(frozen=True)
class Rule:
    """A pattern that speaks against a prompt."""

    reason: str
    name: str
    """Of the rule, for the detail of a rejection and for counting."""
    pattern: re.Pattern[str]
    messages: bool = False
    """Whether it counts for commit messages too."""
    first: int | None = None
    """Characters from the beginning that it looks at; None: all."""


def _rule(reason: str, name: str, pattern: str, *, messages: bool = False, first: int | None = None) -> Rule:
    return Rule(reason, name, re.compile(pattern, re.IGNORECASE | re.MULTILINE), messages, first)


_THIS = r"(?:this|the|my|our|your|that|same|last|previous|current|open|existing)"
_CODE_URL = (
    r"https?://(?:[\w.-]+\.)?(?:github|gitlab|bitbucket)\.\w+/\S+?/(?:pulls?|issues?|actions|commits?|merge_requests"
    r"|discussions|runs|jobs|pipelines|compare|wiki|releases|milestones|projects)\b\S*"
)

RULES: tuple[Rule, ...] = (
    _rule("template", "slash_command", r"\A\s*(?:/[a-z][\w:-]*(?:\s|\Z)|<command-(?:name|message)>|<local-command)"),
    _rule(
        "template",
        "continuation",
        r"\A\s*(?:this session is being continued from|caveat: the messages below|\[request interrupted"
        r"|<system-reminder>"
        r"|<task-notification>|<bash-(?:input|stdout)>|<environment_context>|<user_instructions>)",
    ),
    _rule(
        "template",
        "skill_or_harness",
        r"\A\s*(?:base directory for this skill|\[\[ ## \w+ ## \]\]|you are (?:an?|the|now|working)\b|\$ARGUMENTS"
        r"|# (?:task|role|instructions?)\b\s*\n|<(?:task|instructions?|role|context|prompt)>|mode:? \w+ agent\b"
        r"|(?:reply|respond|answer) with (?:exactly|only|just)\b)",
    ),
    _rule(
        "template",
        "plan_of_an_agent",
        r"\A\s*(?:please )?(?:implement|execute) (?:the|this) (?:following )?plan\b.{0,40}:",
    ),
    _rule(
        "template",
        "plan_file",
        r"\b(?:follow\w*|per|according to|based on|read|implement\w*|execut\w+|in|from|at|see|continue)\b[^.\n]{0,40}"
        r"(?<![\w-])[\w./@-]{0,80}(?:plan|review|todo|hand-?off|notes|progress)[\w-]{0,40}\.(?:md|txt)\b",
    ),
    _rule("template", "blanks_to_fill", r"\{\{\s*\w+\s*\}\}|<(?:insert|your)[ _-][\w -]+>|\[(?:insert|your) [\w ]+\]"),
    _rule(
        "refers_to_solution",
        "diff_or_patch",
        rf"\b(?:as|like|shown|described) in {_THIS} (?:diff|patch|commit|pr|branch)\b|\b(?:apply|use|take"
        rf"|port) (?:this|the"
        r"|that|following) (?:diff|patch|commit)\b|^diff --git |^@@ -\d",
        messages=True,
    ),
    _rule(
        "refers_to_solution",
        "commit_id",
        r"\b(?:commit|sha|revision|cherry[- ]?pick\w*|revert\w*|from"
        r"|in)\s+`?(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,40}\b",
    ),
    _rule(
        "refers_to_solution",
        "pull_request",
        rf"\b{_THIS}\s+(?:\w+\s+)?(?:pr|pull request|merge request|mr)\b|\b(?:pr|pull request|mr)\s*#?\d+\b"
        rf"|(?-i:\bPRs\b)"
        r"|https?://\S+/(?:pull|merge_requests|commit|compare)/\S+",
    ),
    _rule(
        "refers_to_solution",
        "work_in_progress",
        r"\b(?:changes?|commits?|work|code|diff) (?:in|on|of|from) (?:this|the|my|current|local) (?:local "
        r"|feature )?branch\b"
        r"|\b(?:look at|review|check|see|split|use|using|from|in|at|commit|finish"
        r"|continue)\b[^.\n]{0,20}\b(?:(?:un)?staged"
        r"|uncommitted|local|pending|recent|latest|my|these) (?:changes|files|work)\b"
        r"|\b(?:last|latest|previous) (?:changes?|commits?)\b|\bcurrent working (?:state|tree|changes)\b"
        r"|\A\W*(?:ok(?:ay)?,? |so,? )?i(?:'ve| have)?(?: just| already)? (?:added|changed|renamed|removed|deleted"
        r"|updated"
        r"|moved|made|wrote|written|merged|refactored|pushed|committed|reverted|reset|rebased)\b",
    ),
    _rule(
        "refers_outside",
        "picture",
        r"\[image(?: #?\d+)?\]|!\[[^\]]*\]\([^)]+\)|\b(?:screen ?shots?|attached|attachment|see (?:the )?(?:image"
        r"|picture|video"
        r"|recording))\b|\.(?:png|jpe?g|gif|mov|mp4|heic)\b(?=['\"]?\s*(?:$|\]))",
        messages=True,
    ),
    _rule(
        "refers_outside",
        "conversation",
        r"\b(?:in|on|from|see|via|per) (?:our |the |my |today'?s |yesterday'?s )?(?:slack|discord|teams|zoom|jira"
        r"|linear|notion"
        r"|confluence|figma|google docs?|meeting|standup)\b(?! (?:api|client|bot|integration|provider|module"
        r"|webhook))",
    ),
    _rule(
        "refers_outside",
        "ticket",
        r"(?<![\w/-])(?!(?:utf|iso|sha|md|pep|rfc|cve|gpt|aes|http|tls|ipv|base|cp|es|us|en|x|py|c|v|claude|issue"
        r"|bpo)-)"
        r"[a-z]{2,8}-\d{2,6}\b(?=\s*(?:$|[.:,)]))|\b(?:issue|ticket|bug|task|story)\s+#?\d+\b|(?<![\w&/])#\d{1,6}\b",
        first=_START,
    ),
    _rule("refers_outside", "page_of_a_forge", _CODE_URL),
    _rule(
        "refers_outside",
        "page",
        r"\b(?:see|read|look at|follow|according to|based on|check|use|from|at|in)\b[^.\n]{0,40}https?://"
        r"(?!localhost|127\.|example\.)\S+|\A\s*<?https?://\S+>?\s*\Z",
    ),
    _rule(
        "refers_outside",
        "review_alone",
        r"\A\W*(?:(?:can|could) (?:you|we) |please |let'?s )*(?:address|apply|incorporate|respond to|handle|fix"
        r"|resolve)\w*\b"
        r"[^\n:]{0,20}\b(?:review(?:er)?s?"
        r"|feedback|comments?"
        r"|suggestions?|requested changes)\b[^\n:]{0,30}\s*\Z",
        messages=True,
    ),
    _rule(
        "refers_outside",
        "review",
        r"\b(?:review(?:er)?(?:'s)?|bugbot|coderabbit|copilot|sonar\w*|codeql|cursor ?bot|pr) (?:comments?|feedback"
        r"|remarks?"
        r"|suggestions?|notes?|findings?)\b(?![^\n]{0,80}[:\"\n][^\n]{20})",
        first=_START,
    ),
    _rule(
        "refers_to_talk",
        "earlier_talk",
        r"\b(?:as|like) (?:i|we|you) (?:said|discussed|mentioned|talked|agreed|suggested|described|proposed)"
        r"|\bas (?:discussed|agreed|planned|mentioned|suggested|proposed)\b(?! in\b)"
        r"|\b(?:last|previous|earlier|above|other) (?:message|chat|conversation|reply|answer|prompt|suggestion)s?\b"
        r"|\b(?:in|from|of|during|since) (?:our|the|my|a|your) (?:last|previous|earlier|other) session\b"
        r"|\bwrong chat\b|\bwhat (?:we|you|i) (?:discussed|said)\b|\byour (?:plan|suggestion|proposal|idea)\b"
        r"|\boption \d\b",
    ),
    _rule(
        "refers_outside",
        "folder_elsewhere",
        r"(?<![\w/.])(?:/(?:Users|home)/[^\s/]+/\S+\.(?:md|txt|pdf|docx?|log|csv)\b|~/(?:Downloads|Desktop"
        r"|Documents)/\S+)",
    ),
    _rule(
        "refers_outside",
        "ci_run",
        r"(?<![:/\w-])(?:ci|build|pipeline|workflow|github actions?|the checks?)\b[^.\n]{0,30}\b(?:fail\w*|red"
        r"|broken|error\w*)\b(?![^\n]*\n\s*\S)"
        r"|\bfail\w* (?:on|in|at) (?:the )?(?:ci|build|pipeline|github)\b(?![^\n]*\n\s*\S)"
        r"|\A\W*(?:\w+ ){0,3}tests? (?:is|are|still) (?:still )?(?:fail\w*|red|broken)\W*\Z",
    ),
    _rule(
        "needs_service",
        "key",
        r"\b(?:my|our|the|with|using|here is|here's|this) (?:\w+ ){0,2}(?:api[ -]?keys?|credentials"
        r"|access[ -]?tokens?)\b"
        r"[^.\n]{0,40}\b(?:is|are|from|in (?:the )?(?:env|vault|1password)|:)|\[(?:[a-z]+-(?:key|token)|secret|token"
        r"|credentials)-\d+\]",
    ),
    _rule(
        "needs_service",
        "deployed_system",
        r"\b(?:deploy|release|publish|ship|roll ?out)\b[^.\n]{0,30}\b(?:to|on) (?:prod\w*|staging|npm|pypi|aws|gcp"
        r"|azure|vercel"
        r"|heroku|fly|cloudflare|kubernetes|k8s|the server)\b|\b(?:on|in|against) (?:the )?(?:prod(?:uction)?"
        r"|staging) "
        r"(?:database|db|server|cluster|environment|account)\b|\bssh (?:in)?to\b",
    ),
)
"""Tried in this order."""


def judge_prompt(prompt: str, kind: PromptKind, *, before: Before = "nothing") -> Reason | None:
    """Judge what is asked. None: nothing speaks against it.

    The detail of a reason is the rule's name and, for people, the words that it met. `before` says what was said in its
    session before it.
    """
    return next(_against(prompt, kind, before), None)


def _against(prompt: str, kind: PromptKind, before: Before) -> Iterator[Reason]:
    is_message = kind == "message"
    for rule in RULES:
        if is_message and not rule.messages:
            continue
        if found := rule.pattern.search(prompt if rule.first is None else prompt[: rule.first]):
            yield Reason(rule.reason, f"{rule.name}: {' '.join(found[0].split())[:80]}")
    if not is_message:
        wish = wish_of(prompt)
        if reason := _OF_WISH.get(wish):
            yield Reason(reason, wish)
        if sign := leans_on(prompt, before):
            yield Reason("refers_to_talk", sign)


_OF_WISH: dict[str, str] = {
    "question": "not_testable",
    "documentation": "not_testable",
    "git": "not_testable",
    "look": "not_testable",
    "lint": "not_testable",
    "nothing": "too_vague",
    "unknown": "too_vague",
}

Judge = Callable[[str, PromptKind], Reason | None]
