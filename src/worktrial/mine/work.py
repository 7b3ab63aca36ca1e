"""What kind of work a change is, and how much of it: told by what was asked first, then by what was done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from worktrial.formats.candidate import FileChange
from worktrial.formats.provenance import Difficulty, Work, WorkKind
from worktrial.mine.wishes import asked_for

SMALL_LINES, SMALL_FILES = 20, 2
"""A change of at most so many lines in at most so many source files is small."""
LARGE_LINES, LARGE_FILES = 120, 6
"""A change of more lines, or in more source files, is large. About a quarter of click's and tenacity's changes are."""

_PREFIX = re.compile(r"(?i)\A\W*(?P<type>[a-z]+)(?:\([^)\n]*\))?!?:[ \t]+")
_SCOPE = re.compile(r"\A[\w.,/()`*\[\] -]{1,40}?:[ \t]+(?=\S)")
"""What a title is about, before what was done: `fix(core): `, `click.style: `."""
_REVERT = re.compile(r"(?i)\A\W*(?:revert|undo|back ?out)\w*\b")
_BY_PREFIX: dict[str, WorkKind] = {
    "fix": "bug_fix", "bugfix": "bug_fix", "hotfix": "bug_fix", "bug": "bug_fix", "regression": "bug_fix",
    "feat": "new_code", "feature": "new_code", "enh": "new_code", "enhancement": "new_code", "add": "new_code",
    "refactor": "refactoring", "refact": "refactoring", "cleanup": "refactoring", "rfc": "refactoring",
    "test": "tests", "tests": "tests", "chore": "other", "build": "other", "ci": "other", "docs": "other",
    "perf": "other", "style": "other", "typing": "other",
}  # fmt: skip

_TESTS = re.compile(
    r"(?i)\b(?:add|write|improve|extend|more|missing|increase|create|fix)\b[^.\n]{0,40}\b(?:unit |integration "
    r"|regression )?"
    r"(?:tests?(?! (?:runner|client|helper|utilit|mode|command|option|support|\w+er\b))|test cases?|coverage)\b"
)
_REVIEWED = re.compile(
    r"(?i)\b(?:(?:pr|pull request|code|copilot|bugbot|bot|reviewer'?s?|review(?:er)?) )?(?:review|feedback) "
    r"(?:comments?|feedback"
    r"|suggestions?|findings?|remarks?|addressed|fixes)\b|\b(?:pr|pull request|review) (?:feedback|comments?)\b"
    r"|\b(?:address|apply|incorporate|respond to|go through|work through)\w* (?:\S+ ){0,4}?(?:feedback|comments?|review"
    r"|suggestions?|following items)\b|\A\W*review feedback\b"
)
"""Says that what a review found is worked through."""
_REVIEW = re.compile(
    r"(?i)\A\W*(?:(?:please|can you|could you|address|apply|handle|resolve|incorporate)\W+)*(?:the |some |pr |code )*"
    r"(?:review|feedback|comments?|suggestions?)\b"
)
_BUG = re.compile(
    r"(?i)\b(?:fix(?:e[sd]|ing)?|bugs?|crash\w*|regress\w*|broken?|incorrect\w*|wrong(?:ly)?|fail(?:s|ed|ing|ures?)?"
    r"|errors?"
    r"|leak(?:s|ed|ing)?|prevent(?:s|ed|ing)?|avoid(?:s|ed|ing)?|workaround|work around|traceback|no longer|doesn'?t"
    r"|does not|don'?t|do not|cannot|can'?t|should(?:n'?t| not)|unexpected\w*|invalid|missing|properly|correct(?:s"
    r"|ed|ly)?"
    r"|hang(?:s|ing)?|deadlock|race|panics?|typeerror|valueerror|attributeerror|handl(?:e|es|ing) \w+ (?:error"
    r"|exception))\b"
)
_REFACTORING = re.compile(
    r"(?i)\b(?:refactor\w*|renam(?:e[sd]?|ing)|re-?organi[sz]\w*|restructur\w*|clean(?:s|ed|ing)?[ -]?up|simplif\w+"
    r"|mov(?:e[sd]?|ing)|extract(?:s|ed|ing)?|split(?:s|ting)?|inline[sd]?|unif(?:y|ies|ied)|consolidat\w+|de-?dup\w*"
    r"|moderni[sz]\w*|(?:remov(?:e[sd]?|ing)|drop(?:s|ped)?|delete[sd]?) (?:\S+ ){0,3}?(?:unused|dead|obsolete"
    r"|deprecated"
    r"|duplicate\w*|redundant|unnecessary|python ?\d|py\d|support|compat\w*|legacy|six)|rewrit\w+|pyupgrade"
    r"|type (?:hints?|annotations?)|typing|annotat\w+|replac(?:e[sd]?|ing)|us(?:e|ing) \S+ instead of"
    r"|port(?:ed)? to)\b"
)
_NEW = re.compile(
    r"(?i)\b(?:add(?:s|ed|ing)?|new|support(?:s|ed)?|implement\w*|introduc\w+|allow(?:s|ed|ing)?|enabl\w+|provid\w+"
    r"|expos\w+|features?|option to|ability|let(?:s)? (?:users?|you)|mak(?:e|es|ing) it possible|extend\w*|creat\w+)\b"
)
_ORDER: tuple[tuple[WorkKind, re.Pattern[str]], ...] = (
    ("bug_fix", _BUG),
    ("refactoring", _REFACTORING),
    ("new_code", _NEW),
)
_FIRST: tuple[tuple[WorkKind, str], ...] = (
    (
        "bug_fix",
        r"(?:bug ?)?fix(?:e[sd]|ing)?|raise|reject|validate|check|ensure|make sure|respect|handle|ignore|hide"
        r"|preserve|keep"
        r"|restore|strip|escape|quote|honou?r|avoid|prevent|don'?t|do not|only|always|never|correct\w*|properly"
        r"|better|flush"
        r"|close|catch|detect|guard|stop|skip|treat|reset|wait|work ?around|consider|resolve",
    ),
    (
        "new_code",
        r"show\w*|display|capture|include|pass|return|accept|expose|print|add\w*|support\w*|implement\w*|allow\w*"
        r"|introduc\w+"
        r"|enabl\w+|provid\w+|new|let(?!'?s\b)|offer|render|emit|format|make (?:\S+ ){1,4}?(?:configurable|optional"
        r"|callable"
        r"|available"
        r"|public|customi[sz]able|possible)|apply|track|store|parse|generate|extend\w*|creat\w+|autocomplete"
        r"|complete|colou?r",
    ),
    (
        "refactoring",
        r"refactor\w*|renam\w+|re-?organi[sz]\w*|restructur\w*|clean\w*[ -]?up|clean|simplif\w+|mov(?:e[sd]?|ing)"
        r"|extract\w*"
        r"|split\w*|inline[sd]?|unif\w+|consolidat\w+|moderni[sz]\w*|rewrit\w+|replac\w+|use|using|remov\w+|drop\w*"
        r"|delet\w+"
        r"|switch|convert\w*|deprecat\w+|port|migrat\w+|reduce|speed|optimi[sz]\w+|factor|rework\w*|re-?us\w+",
    ),
)
_FILLER = (
    r"(?i)\A\W*(?:(?:also|please|ok(?:ay)?|yes|so|and|now|then|just|maybe|i think|try to|let'?s"
    r"|(?:can|could) (?:you|we)|(?:i|we)(?:'d like| would like| want| need)(?: you| us)? to"
    r"|we (?:should|can|could|must))\W+)*"
)
_BY_FIRST = tuple((kind, re.compile(rf"{_FILLER}(?:{words})(?![\w-])")) for kind, words in _FIRST)
_MOSTLY = 4
"""Times as many lines on one side as on the other."""


def work_of(prompt: str, files: Sequence[FileChange]) -> Work:
    """Return what a change is. Lines and files are those outside of its tests."""
    rest = [change for change in files if change.role != "test"]
    source = [change for change in files if change.role == "source"]
    kind, rule = _kind(prompt, files, source)
    lines = sum((change.added or 0) + (change.removed or 0) for change in rest)
    return Work(
        kind=kind,
        difficulty=difficulty_of(sum((c.added or 0) + (c.removed or 0) for c in source), len(source)),
        lines=lines,
        files=len(rest),
        rule=rule,
    )


def work_asked(prompts: Sequence[str], message: str, files: Sequence[FileChange]) -> Work:
    """Return what a change is of which the prompts of its session are known beside its message.

    The message says what came of it, but some say little; the prompts say what it was for, but most of a session's are
    about other things: of these only sentences count that ask for a change or tell of trouble.
    """
    work = work_of(message, files)
    kind, rule = next(_kinds_asked(prompts, message, files), (work.kind, work.rule))
    return work.model_copy(update={"kind": kind, "rule": rule})


def _kinds_asked(prompts: Sequence[str], message: str, files: Sequence[FileChange]) -> Iterator[tuple[WorkKind, str]]:
    """Yield what message and prompts say of the kind, the surest first."""
    source = [change for change in files if change.role == "source"]
    title = message.strip().partition("\n")[0]
    added, removed = (sum(getattr(change, side) or 0 for change in source) for side in ("added", "removed"))
    if _REVIEWED.search(title):
        yield "review", "title speaks of a review"
    if not source:
        tests = any(change.role == "test" for change in files)
        yield ("tests", "only tests changed") if tests else ("other", "no source changed")
    prefix = _PREFIX.match(title)
    if prefix and (kind := _BY_PREFIX.get(prefix["type"].lower(), "other")) != "other":
        yield kind, f"prefix {prefix['type'].lower()}:"
    if removed >= SMALL_LINES and removed > _MOSTLY * added:
        yield "refactoring", "far more lines removed than added"
    title = _SCOPE.sub("", title)
    yield from _by_words(title, "title")
    for wish, sentence in (pair for prompt in prompts for pair in asked_for(prompt)):
        if wish == "report":
            yield "bug_fix", "a prompt tells of trouble"
        yield from _by_words(sentence, "prompt")


def difficulty_of(lines: int, files: int) -> Difficulty:
    """Return how hard a change is likely to be, from changed source lines and the source files they are spread over."""
    if lines <= SMALL_LINES and files <= SMALL_FILES:
        return "small"
    return "large" if lines > LARGE_LINES or files > LARGE_FILES else "medium"


def _kind(prompt: str, files: Sequence[FileChange], source: Sequence[FileChange]) -> tuple[WorkKind, str]:
    """Return the kind and what told it: a conventional prefix, the title, the diff, the rest of the words."""
    return next(_kinds(prompt, files, source), ("other", "no rule"))


def _kinds(prompt: str, files: Sequence[FileChange], source: Sequence[FileChange]) -> Iterator[tuple[WorkKind, str]]:
    """Yield what speaks for a kind, the surest first."""
    title, _, body = prompt.strip().partition("\n")
    added, removed = (sum(getattr(change, side) or 0 for change in source) for side in ("added", "removed"))
    tested = sum((change.added or 0) for change in files if change.role == "test")
    prefix = _PREFIX.match(title)
    if prefix and (kind := _BY_PREFIX.get(prefix["type"].lower())):
        yield kind, f"prefix {prefix['type'].lower()}:"
    title = _SCOPE.sub("", title)
    if _REVERT.match(title):
        yield "other", "first word: revert"
    if added + removed <= max(2, tested // (2 * _MOSTLY)) and _TESTS.search(title):
        yield "tests", "title speaks of tests, and little source changed"
    if found := _REVIEW.search(title):
        yield "review", f"title: {found[0].lower().strip()}"
    yield from _by_words(title, "title")
    if any(change.status == "A" for change in source) and added > _MOSTLY * removed:
        yield "new_code", "new source file"
    yield from _first_met(body, "text")
    if added > _MOSTLY * removed and added >= SMALL_LINES // 2:
        yield "new_code", "far more lines added than removed"


def _by_words(text: str, where: str) -> Iterator[tuple[WorkKind, str]]:
    """Yield the kind that the first word of a text tells, then the one whose word comes first in it."""
    for kind, pattern in _BY_FIRST:
        if found := pattern.match(text):
            yield kind, f"first word: {found[0].lower().strip()}"
    yield from _first_met(text, where)


def _first_met(text: str, where: str) -> Iterator[tuple[WorkKind, str]]:
    """Yield the kind whose word comes first: it says what was done, later ones what about."""
    met = [(found.start(), kind, found[0]) for kind, pattern in _ORDER if (found := pattern.search(text))]
    if met:
        _, kind, word = min(met)
        yield kind, f"{where}: {' '.join(word.lower().split())}"
