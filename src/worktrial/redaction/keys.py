"""What keys and tokens look like: formats that their issuers document, and assignments whose value looks random.

Sources: GitHub "Behind GitHub's new authentication token formats"; GitLab "Token overview"; Slack "Token types";
AWS "IAM identifiers"; Stripe "API keys"; PyPI "API tokens"; npm "About access tokens"; RFC 7468 (key blocks);
RFC 7519 (JWT); RFC 6750 (bearer); the rule set of gitleaks 8 (MIT) for the lengths of what no page documents.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

LEAST_LENGTH = 8
"""Characters of the shortest value that is held for a password or key by what it is assigned to."""
LEAST_BITS = 2.5
"""Shannon entropy per character below which such a value is a word, a mask or a placeholder."""


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True)
class Form:
    """A pattern of something that is to be taken out: its group `value` where it has one, else all of it."""

    kind: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()
    """Lower-case words of which one must occur for the pattern to match at all; empty: always tried."""
    counts: Callable[[str], bool] = _always
    """Tells of a value that fits the pattern whether it is one."""


def _random_tail(value: str) -> bool:
    """Tell a key from its likeness in documentation: `ghp_xxxxxxxx…`, `sk-ant-api03-your-key-here`, `AKIA…EXAMPLE`."""
    if value.upper().endswith("EXAMPLE") or re.search(r"(?i)your|x{6}|example|placeholder|\.\.\.|(.)\1{7}", value):
        return False
    return entropy(value) >= LEAST_BITS


def _key(kind: str, pattern: str, *hints: str) -> Form:
    return Form(kind, re.compile(rf"(?<![A-Za-z0-9_]){pattern}(?![A-Za-z0-9_])"), hints, _random_tail)


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text's characters, in bits per character; 0 for an empty one."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values()) if total else 0.0


def looks_secret(value: str) -> bool:
    """Tell whether a value that is assigned to a password, token or the like may be one, and not code or a mask."""
    if len(value) < LEAST_LENGTH or entropy(value) < LEAST_BITS or _NOT_SECRET.search(value):
        return False
    has_digit = re.search(r"\d", value) is not None
    has_mark = re.search(r"[!@#$%^&*+~?]", value) is not None
    # Capitals within words (`MyServiceKey`) are names; without words between them they are chance.
    mixed = len(re.findall(r"[a-z][A-Z]", value)) + len(re.findall(r"[A-Z]{2}[a-z]", value)) >= 4
    return re.search(r"[A-Za-z]", value) is not None and (has_digit or has_mark or mixed)


_NOT_SECRET = re.compile(
    r"(?i)^[\[<({$%]|[()\[\]{}<>\s]|\.\.\.|x{4}|\*{3}|(.)\1{5}|your|example|placeholder|changeme|redacted"
    r"|^(?:none|null|true|false|undefined|self|this|os|env|config|settings|process|request|args|options|ctx)\b\.?"
    r"|^[a-z_]\w*(?:\.[a-z_]\w*)+$|://|^\.{0,2}/|^~/|(?-i:^[a-z_]+\d{0,2}$)|^--?[a-z]|^\$|^#|^@|::"
    r"|^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
)
_NAME = (
    r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|(?:api|access|secret|private|auth|signing|encryption"
    r"|client|account|master|shared)[_-]?key|accountkey|sharedaccesskey)"
)
_ASSIGNED = (
    rf"(?i){_NAME}(?:[_-](?:id|key|value|hash|prod|dev|live|test|\d+))?(?![a-z])"
    r"\\{0,3}[\"'`]?\]?[ \t]*(?::=|=>|==?|:|[ \t]is[ \t])[ \t]*(?:str[ \t]*=[ \t]*)?[bru]{0,2}"
    r"(?:(?P<quote>\\{0,3}[\"'`])(?P<quoted>[^\"'`\r\n\\]{8,200})(?P=quote)|(?P<value>[^\s\"'`,;&|\\]{8,200})(?![\w(\[]))"
)

KEYS: tuple[Form, ...] = (
    Form(
        "private-key",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:(?!-----BEGIN)[\s\S]){0,12000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"|(?:(?:\r?\n|\\r|\\n)[ +\-]?[A-Za-z0-9+/=]{16,})+)"
        ),
        ("private key",),
    ),
    _key("aws-key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", "akia", "asia", "abia", "acca"),
    _key("github-token", r"(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,251})", "gh", "github_pat"),
    _key("gitlab-token", r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[\w.-]{20,}", "gl"),
    _key("slack-token", r"(?:xox[abeoprs](?:\.xox[bp])?-[\w-]{10,}|xapp-\d-[A-Za-z0-9-]{20,})", "xox", "xapp"),
    Form(
        "slack-webhook",
        re.compile(r"https?://hooks\.slack(?:-gov)?\.com/(?P<value>(?:services|workflows|triggers)/[\w/+-]{20,})"),
        ("hooks.slack",),
        _random_tail,
    ),
    _key(
        "google-key",
        r"(?:AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{30,})",
        "aiza",
        "ya29",
        "gocspx",
        "1//0",
    ),
    _key("stripe-key", r"(?:[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{24,}={0,2})", "k_", "whsec"),
    _key("anthropic-key", r"sk-ant-[a-z0-9]+-[\w-]{20,}", "sk-ant"),
    _key("openai-key", r"sk-(?:(?:proj|svcacct|admin|or-v1|None)-[\w-]{20,}|[A-Za-z0-9]{32,})", "sk-"),
    _key("npm-token", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _key("pypi-token", r"pypi-[\w-]{50,}", "pypi-"),
    _key("huggingface-token", r"(?:hf_[A-Za-z]{30,}|api_org_[A-Za-z]{34})", "hf_", "api_org_"),
    _key("sendgrid-key", r"SG\.[\w-]{16,}\.[\w-]{32,}", "sg."),
    _key("digitalocean-token", r"do[opr]_v1_[0-9a-f]{64}", "_v1_"),
    _key("docker-token", r"dckr_(?:pat|oat)_[\w-]{20,}", "dckr_"),
    _key("databricks-token", r"dapi[0-9a-f]{32}(?:-\d)?", "dapi"),
    _key("shopify-token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", "shp"),
    _key("telegram-token", r"\d{8,10}:AA[\w-]{33}", ":aa"),
    _key("twilio-key", r"SK[0-9a-f]{32}", "sk"),
    _key("vault-token", r"hv[sbr]\.[\w-]{24,}", "hv"),
    _key("grafana-token", r"gl(?:sa|c)_[\w+/=]{32,}", "glsa_", "glc_"),
    _key("rubygems-key", r"rubygems_[0-9a-f]{48}", "rubygems_"),
    _key("crates-token", r"cio[A-Za-z0-9]{32}", "cio"),
    _key(
        "groq-key",
        r"(?:gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{60,}|r8_[A-Za-z0-9]{36,}|pplx-[A-Za-z0-9]{40,})",
        "gsk_",
        "xai-",
        "r8_",
        "pplx-",
    ),
    _key("linear-key", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}", "lin_"),
    _key("notion-token", r"(?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43})", "ntn_", "secret_"),
    _key("atlassian-token", r"AT(?:ATT|CTT|BB)3?[\w=-]{24,}", "att", "ctt", "atbb"),
    _key("age-key", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}", "age-secret-key"),
    Form(
        "jwt",
        re.compile(
            r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{10,}(?![\w-])|(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]{16,}){4}"
        ),
        ("eyj",),
    ),
    Form(
        "credentials",
        re.compile(
            r"(?<![\w.])[a-zA-Z][\w+.-]{1,20}://(?P<value>[^\s/:@\"'<>\[\]{}$]{0,100}:[^\s/@\"'<>\[\]{}$*]{1,200})@(?=[\w\[])"
        ),
        ("://",),
        lambda value: (
            not re.fullmatch(r"(?i)(?:user(?:name)?|login|name)?:(?:pass(?:word|wd)?|pwd|secret|x+|token)", value)
        ),
    ),
    Form(
        "token",
        re.compile(
            r"(?i)(?:authorization\\?[\"']?[ \t]*[:=][ \t]*\\?[\"']?|(?<![\w-])(?=bearer ))"
            r"(?:bearer|basic|token|bot)[ \t]+(?P<value>[\w.~+/=-]{8,})"
        ),
        ("bearer", "authorization"),
        looks_secret,
    ),
    Form(
        "secret",
        re.compile(_ASSIGNED),
        ("pass", "pwd", "secret", "token", "credential", "key"),
        looks_secret,
    ),
    Form(
        "secret",
        re.compile(
            r"(?i)(?<![\w-])--?(?:password|passwd|token|secret|api-key|access-key)[ =](?P<quote>[\"']?)"
            r"(?P<value>[^\s\"'`]{8,200})(?P=quote)"
        ),
        ("-pass", "-token", "-secret", "-key"),
        looks_secret,
    ),
)
"""Tried in this order: the sure before what is only likely."""
