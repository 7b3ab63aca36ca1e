"""What tells who someone is and where they work: mail addresses, homes, host names, names of authors."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worktrial.redaction.keys import Form

_NO_ONE = frozenset(
    {
        "user",
        "users",
        "username",
        "you",
        "me",
        "someone",
        "somebody",
        "example",
        "runner",
        "ubuntu",
        "debian",
        "vscode",
        "node",
        "app",
        "dev",
        "developer",
        "test",
        "tests",
        "admin",
        "root",
        "shared",
        "public",
        "default",
        "guest",
        "circleci",
        "travis",
        "jenkins",
        "build",
        "builder",
        "jovyan",
        "work",
        "workspace",
        "home",
        "foo",
        "bar",
        "agent",
        "worktrial",
        "sandbox",
        "xxx",
        "name",
        "yourname",
        "your-name",
        "youruser",
        "myuser",
        "my-user",
        "john",
        "alice",
        "bob",
        "linuxbrew",
        "codespace",
        "coder",
        "gitpod",
        "appuser",
        "nobody",
        "git",
    }
)
"""Homes that are nobody's."""

_FILE_ENDS = (
    r"(?:png|jpe?g|gif|svg|webp|ico|pdf|md|rst|txt|py|pyi|js|mjs|cjs|ts|tsx|jsx|css|html?|json|ya?ml|toml|lock|go|rs|sh|rb"
    r"|java|cpp|hpp|git|whl|tgz|zip)"
)
_RESERVED = (
    r"(?:example(?:\.[\w-]+)?|[\w.-]*\.(?:example|test|invalid|localhost)|localhost|[\w-]*example\.(?:com|org|net))"
)
_DOMAIN = r"(?:[A-Za-z0-9](?:[\w-]{0,62})\.)+[A-Za-z]{2,24}"
_ROBOTS = re.compile(r"(?i)^(?:git|hg|svn|no-?reply|do-?not-?reply)@")

_MADE_UP = re.compile(
    r"(?i)^(?:[a-z]|foo|bar|baz|test|user|me|you|someone|name|email|alice|bob|john|jane)@"
    r"(?:[a-z]|foo|bar|baz|test|domain|host|email|mail|company|site|acme)\.[a-z]{1,4}$"
)
"""Addresses that stand for any address."""

MAIL = Form(
    "email",
    re.compile(
        rf"(?<![\w.+%-])[A-Za-z0-9_](?:[\w.+%'-]{{0,63}})@(?!(?i:{_RESERVED})(?![\w.-]))(?!{_DOMAIN}:(?!//)[\w~.-]+/)"
        rf"(?!(?:[\w-]+\.)*(?i:{_FILE_ENDS})(?![\w.-]))(?!(?:self|cls|this)\.){_DOMAIN}(?![\w-])"
    ),
    ("@",),
    lambda value: not (_ROBOTS.match(value) or _MADE_UP.match(value)),
)

HOMES = (
    Form(
        "user",
        re.compile(
            r"(?<![\w.])(?:/home/|/Users/|/export/home/"
            r"|[A-Za-z]:(?:\\{1,2}|/)(?:Users|Documents and Settings)(?:\\{1,2}|/)|/mnt/[a-z]/Users/)"
            r"(?P<value>[A-Za-z][\w.-]{0,40}[\w-]|[A-Za-z])(?![\w.-]*\[)"
        ),
        ("home", "users", "settings"),
        lambda value: value.lower() not in _NO_ONE,
    ),
    # As tools name their folders for a project: `-home-jane-src-app`.
    Form(
        "user",
        re.compile(r"(?<![\w-])-(?:home|Users)-(?P<value>[A-Za-z][\w.]{1,40})(?=-|/|\b)"),
        ("-home-", "-users-"),
        lambda value: value.lower() not in _NO_ONE,
    ),
)

_PUBLIC_HOSTS = re.compile(
    r"(?i)^(?:localhost|host\.docker\.internal|gateway\.docker\.internal|metadata\.google\.internal"
    r"|.*\.cluster\.local|.*\.svc|.*\bexample\b.*|.*\.(?:test|invalid|localhost))$"
)


def _is_private(value: str) -> bool:
    return _PUBLIC_HOSTS.match(value) is None


_LABELS = r"[A-Za-z0-9][\w-]{0,62}(?:\.[A-Za-z0-9][\w-]{0,62}){0,6}"
HOSTS = (
    # Attributes look the same (`threading.local`): a digit or hyphen, or a place where hosts stand, must be there too.
    Form(
        "host",
        re.compile(
            rf"(?:(?<=://)|(?<=@)|(?<![\w./-])(?=[\w.]*[\d-]))(?P<value>{_LABELS}\.(?:internal|local|lan|corp|intranet"
            r"|localdomain|home\.arpa))(?![\w(-]|\.[a-z])"
        ),
        (".internal", ".local", ".lan", ".corp", ".intranet", ".home.arpa"),
        _is_private,
    ),
    Form(
        "host",
        re.compile(
            r"(?<![\w.-])(?P<value>ip-\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3}(?:\.[\w.-]+\w)?|ec2-[\d-]+\.[\w.-]*amazonaws\.com"
            r"|(?:DESKTOP|LAPTOP|WIN)-[A-Z0-9]{6,12}|[\w]+(?:-[\w]+)*-(?:MacBook|iMac|Mac-mini|Mac-Studio)(?:-(?:Pro|Air|\d))*"
            r"(?:\.local)?)(?![\w-])"
        ),
        ("ip-", "ec2-", "desktop-", "laptop-", "win-", "mac"),
    ),
    # A prompt of a shell or the target of scp: `jane@devbox:~/src$`, `jane@devbox:/srv`.
    Form(
        "user",
        re.compile(r"(?<![\w.-])(?P<value>[a-z_][\w.-]{0,31})(?=@[A-Za-z][\w.-]{1,60}:(?:~|/(?!/)))"),
        ("@",),
        lambda value: value not in _NO_ONE,
    ),
    Form("host", re.compile(r"(?<=[\w.\]-]@)(?P<value>[A-Za-z][\w.-]{1,60})(?=:(?:~|/(?!/)))"), ("@",), _is_private),
    # The header of a line of syslog.
    Form(
        "host",
        re.compile(
            r"(?<!\w)[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d (?P<value>[A-Za-z][\w.-]+)(?= [\w./-]+(?:\[\d+\])?:)"
        ),
        (":",),
        _is_private,
    ),
    Form(
        "host",
        re.compile(
            r"(?i)(?<![a-z])(?:hostname|host_name|computername|server_?name|nodename)\\?[\"']?[ \t]*[:=][ \t]*\\?[\"']?"
            r"(?P<value>(?=[\w.]*[\d-])[a-z][\w.-]{3,60}\w)(?![\w(\[])"
        ),
        ("name",),
        _is_private,
    ),
)

_WORD = re.compile(r"[^\W\d_](?:['\u2019]?[^\W_])*")
_ACCOUNT = re.compile(
    r"(?:(?<![\w.])@(?![\w.-]+/)|(?:github\.com|gitlab\.com|bitbucket\.org)[/:])(?P<name>\w(?:[\w.-]*\w)?)"
)
_SHORTEST = 5
"""Letters of a name in ASCII; scripts of their own say as much with fewer."""
_GENERIC_NAMES = frozenset(
    {
        "root",
        "admin",
        "user",
        "unknown",
        "github",
        "gitlab",
        "bot",
        "test",
        "ubuntu",
        "your",
        "name",
        "the",
        "author",
        "developer",
        "dev",
        "anonymous",
        "nobody",
    }
)

_NO_PERSON = re.compile(
    r"(?i)\[bot\]|\b(?:bot|robot|cli|ci|team|actions?|agent|github|gitlab|service|release|automation|maintainers?|claude"
    r"|codex|copilot|cursor|gemini|devin|dependabot|renovate|project|developers|contributors)\b"
)
"""Names of programs and groups, which commit too: in prose they are what is spoken of."""


@dataclass(frozen=True)
class Identities:
    """Who and what is known by name: the authors of a repository, and the machine that reads it."""

    names: frozenset[str] = frozenset()
    """Names of people in full, at least two words each; a lone word is taken only where someone is spoken of."""
    handles: frozenset[str] = frozenset()
    """Names of accounts, lower case: found as `@handle`, and where a home directory is."""
    hosts: frozenset[str] = frozenset()
    """Names of machines, lower case."""

    @classmethod
    def of_authors(cls, authors: Iterable[tuple[str, str]]) -> Identities:
        """Return who authors are, given as name and mail address. Robots are no one."""
        names, handles = set(), set()
        for name, mail in authors:
            tidy = " ".join(name.replace("\u2019", "'").split())
            local = mail.partition("@")[0].rpartition("+")[2].lower()
            if not tidy or _ROBOTS.match(mail) or _NO_PERSON.search(tidy):
                continue
            if len(tidy.split()) > 1 and not _GENERIC_NAMES.issuperset(tidy.lower().split()):
                names.add(tidy)
            elif len(tidy) >= 3 and tidy.lower() not in _GENERIC_NAMES | _NO_ONE:
                handles.add(tidy.lower())
            if len(local) >= 3 and local not in _GENERIC_NAMES | _NO_ONE:
                handles.add(local)
        return cls(frozenset(names), frozenset(handles))

    @classmethod
    def of_machine(cls) -> Identities:
        """Return how this machine and its user are called."""
        try:
            user = getpass.getuser().lower()
        except (KeyError, OSError):  # no entry for this user id
            user = ""
        handles = {name for name in (user, Path.home().name.lower()) if len(name) >= 3 and name not in _NO_ONE}
        host = socket.gethostname().lower()
        hosts = {name for name in (host, host.partition(".")[0]) if len(name) >= 5 and name != "localhost"}
        return cls(handles=frozenset(handles), hosts=frozenset(hosts))

    def __or__(self, other: Identities) -> Identities:
        return Identities(self.names | other.names, self.handles | other.handles, self.hosts | other.hosts)


@dataclass(frozen=True)
class KnownNames:
    """Finds known names in text in time that does not depend on how many are known."""

    identities: Identities
    _by_first: Mapping[str, tuple[tuple[str, ...], ...]] = field(init=False)
    _firsts: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        by_first: dict[str, list[tuple[str, ...]]] = {}
        firsts: set[str] = set()
        for name in self.identities.names:
            words = tuple(word.casefold() for word in _WORD.findall(name))
            if len(words) > 1 and (len("".join(words)) >= _SHORTEST or not name.isascii()):
                by_first.setdefault(words[0], []).append(words)
                by_first.setdefault(words[-1], []).append((words[-1], *words[:-1]))
                firsts.add(words[0])
        longest = {word: tuple(sorted(found, key=len, reverse=True)) for word, found in by_first.items()}
        object.__setattr__(self, "_by_first", longest)
        object.__setattr__(self, "_firsts", frozenset(word for word in firsts if len(word) >= 3))

    @classmethod
    def none(cls) -> KnownNames:
        """Return what finds no one."""
        return cls(Identities())

    def find(self, text: str) -> list[tuple[int, int, str, str]]:
        """Return start, end, kind and value of every name, in order and apart from each other."""
        words = [(found.start(), found.end(), found.group().casefold()) for found in _WORD.finditer(text)]
        found: list[tuple[int, int, str, str]] = []
        at = 0
        while at < len(words):
            start, end, word = words[at]
            length = self._full_name(text, words, at)
            if length:
                end = words[at + length - 1][1]
                found.append((start, end, "name", " ".join(sorted(item[2] for item in words[at : at + length]))))
            elif word in self._firsts and text[start].isupper() and _THANKED.search(text, max(0, start - 24), start):
                found.append((start, end, "name", word))
            at += length or 1
        return _apart([*found, *self._accounts(text), *self._machines(text)])

    def _accounts(self, text: str) -> Iterator[tuple[int, int, str, str]]:
        for found in _ACCOUNT.finditer(text):
            if found["name"].lower() in self.identities.handles:
                yield *found.span("name"), "name", found["name"].lower()

    def _machines(self, text: str) -> Iterator[tuple[int, int, str, str]]:
        for host in sorted(self.identities.hosts, key=len, reverse=True):
            for found in re.finditer(rf"(?i)(?<![\w-]){re.escape(host)}(?![\w-])", text):
                yield *found.span(), "host", host

    def _full_name(self, text: str, words: list[tuple[int, int, str]], at: int) -> int:
        """Return how many words from `at` on are a name in full; 0 for none."""
        for name in self._by_first.get(words[at][2], ()):
            last = at + len(name) - 1
            if last < len(words) and all(words[at + i][2] == part for i, part in enumerate(name)):
                gaps = [text[words[i][1] : words[i + 1][0]] for i in range(at, last)]
                if all(re.fullmatch(r",?\s{1,3}(?:[+\-#*>|] ?)?|[-_.]", gap) for gap in gaps):
                    return len(name)
        return 0


def _apart(found: list[tuple[int, int, str, str]]) -> list[tuple[int, int, str, str]]:
    """Return what was found in order, without what overlaps something before it."""
    apart: list[tuple[int, int, str, str]] = []
    for item in sorted(found):
        if not apart or item[0] >= apart[-1][1]:
            apart.append(item)
    return apart


_THANKED = re.compile(
    r"(?i)(?<!\w)(?:thanks(?: to)?|thank you|kudos(?: to)?|credits?(?: to)?|cc|hi|hello|hey|dear|reported by"
    r"|suggested by|requested by|noticed by|asked by|per)[ \t,:]+\Z"
)
