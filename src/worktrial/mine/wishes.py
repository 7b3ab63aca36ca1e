"""What a prompt wants done: sentence by sentence, by the verb that it begins with and what it is about."""

from __future__ import annotations

import re
from typing import Literal

Wish = Literal["change", "report", "question", "documentation", "git", "look", "lint", "nothing", "unknown"]
"""*change*: of the program. *report*: of something that does not work. *look*: reading, running, explaining.
*unknown*: a statement that neither asks for something nor tells of trouble: of 56 such in real sessions two or three
asked for a change that one could make without the talk around them."""

_CHANGE = (
    r"fix|add|implement|change|remove|rename|refactor|replace|support|allow|make|introduce|extract|move|drop|delete"
    r"|handle"
    r"|convert|migrate|rewrite|extend|improve|simplify|optimi[sz]e|adjust|ensure|prevent|avoid|return|raise|throw"
    r"|parse"
    r"|validate|expose|disable|enable|deprecate|split|merge the (?:two|functions?|classes)|unify|inline|clean|cleanup"
    r"|create|build|write|use|set|switch|invert|revert to|restore|reduce|increase|limit|default|skip|ignore|treat"
    r"|accept"
    r"|reject|print|log|show|display|hide|render|emit|cache|store|save|load|wrap|unwrap|sort|filter|update|upgrade"
    r"|bump"
    r"|port|integrate|hook|wire|pass|check that|address|resolve|solve|correct|tweak|modify|generate|include|exclude"
    r"|keep"
    r"|stop|start using|turn|get rid|apply|debug|patch|strip|trim|escape|quote|define|declare|mock|test|cover|redo"
    r"|re-?add"
    r"|persist|emulate|track|require|override|let users?|give|provide|bring|put|swap|reorder|reuse|dedup\w*|sync"
    r"|mark|tag|word|reword|document"
)
_DOING = (
    r"(?:us|add|remov|extract|renam|replac|return|handl|mov|mak|show|creat|split|splitt|writ|keep|merg|introduc"
    r"|simplify"
    r"|convert|chang|updat|pass|wrap|validat|track|dropp|delet|refactor|reus|cach|skipp|filter|log|stor|expos)ing"
)
_LOOK = (
    r"explain|review|describe|summari[sz]e|tell|list|look|investigate|analy[sz]e|check|run|try|read|find out|find"
    r"|figure"
    r"|research|compare|verify|think|continue|proceed|go ahead|go on|start|stop|wait|open|walk|search|plan|propose"
    r"|suggest"
    r"|confirm|understand|talk|chat|work on|help|guide|reply|respond|answer|discuss|brainstorm|audit|inspect|see"
    r"|use subagents?|pick|double[- ]?check|re-?check|dogfood|remind"
)
_GIT = (
    r"(?:git )?(?:push|commit|rebase|squash|cherry-pick|pull|stash|checkout|check out|fetch|tag|publish|release|ship"
    r"|deploy|switch (?:back )?to|delete (?:\w+ )*branch(?:es)?)|(?:create|open|draft|update|make|raise|close|write"
    r"|save|submit) (?:an?|the|this|it as)?(?: new| draft| nice| good| better| proper)*"
    r"\s*(?:prs?|pull requests?|mrs?|branch|commit(?: message)?|worktree|issues?|release|checkpoint"
    r"|entireio checkpoint)\b"
    r"|(?:create|open|write|log|file|add|make) (?:me |us )?(?:an?|the|this as an?) (?:[\w-]+ ){0,3}(?:issues?"
    r"|tickets?|beads?)\b"
    r"|update (?:it |this )?(?:from|to|with|the branch) (?:\w+ ){0,3}(?:branch|main|master|upstream|origin|remote)\b"
    r"|merge(?! the (?:two|functions?|classes))|resolve (?:the )?(?:merge )?conflicts?"
)
_DOCUMENTS = (
    r"\b(?:read ?me|docs?|documentation|changelog|change ?log|docstrings?|comments?|claude\.md|agents\.md|contributing"
    r"|architecture|adrs?|specs?|\w+\.(?:md|rst|adoc|txt)|wiki|tutorial|guide|licen[cs]e|codeowners|typos?|wording)\b"
)
_LINT = (
    r"\b(?:lint(?:er|ing)?|eslint|golangci(?:-lint)?|ruff|flake8|prettier|mypy|gofmt|fmt|format(?:ting|ter)?"
    r"|type ?check\w*)\b"
)
_TROUBLE = (
    r"\b(?:fail(?:s|ed|ing|ures?)?|errors?|crash\w*|panics?|broken?|breaks?|bugs?|wrong|incorrect\w*|regression"
    r"|traceback|exception|doesn'?t|does not|isn'?t|aren'?t|not working|no longer|never|hangs?|stuck|leaks?|missing"
    r"|slow|expected|instead of|unexpected\w*|too long|problems?|duplicated?|(?:is|are) not \w+(?:ed|ing))\b"
)
_DEMAND = r"\b(?:should(?:n'?t)?|must|needs? to|has to|have to)\b"
_FILLER = re.compile(
    r"(?i)\A[\s\W]*(?:\d+[.)\s-]+)?(?:(?:q(?=:)|question(?=:)|please|pls|plz|ok(?:ay)?|now|and|also|so|then|hey|hi"
    r"|hello|great|cool"
    r"|thanks|yes|yeah|no|sorry|well"
    r"|but|next|first|finally|actually|maybe|perhaps|just|instead|alright|perfect|good|nice|it seems|i think|i guess"
    r"|gah|oh|ah"
    r"|(?:can|could|would|will) (?:you|we|u)(?: please| also| now| just| maybe)*|you (?:can|should|need to|could)"
    r"|let'?s"
    r"|let us|i(?:'d| would)? (?:want|like|need)(?: you| us)? to|i want|we (?:should|need to|can|could|want to"
    r"|have to|must)"
    r"|(?:do )?you mind|help me|try to|go ahead and|make sure (?:to|that|you)|feel free to|would it be possible to"
    r"|is it possible to|how about(?: we|(?= this:))|try)\b[\s,:;.!-]*)+"
)
_SENTENCE = re.compile(
    r"(?<=[.!?])\s+|\n+|\s+(?=(?:and|then|but) (?:then |also |please )?(?:commit|push|fix|add|update|remove)\b)|;\s+"
)
_CODE = re.compile(
    r"```[\s\S]*?(?:```|\Z)|^(?: {4}|\t|>).*$"
    # What was copied off a terminal: a shell's prompt, drawn lines, JSON.
    r"|^\s*(?:\S+@\S+ \S+ [%$#]|[│├└┌◇◆■●➜⏺⎿─]|[\]\[{}\"]).*$|\{\"[^\n]*$",
    re.MULTILINE,
)
_PASTED = re.compile(
    # Of logs and of what tests and compilers print: line by line, by how it begins.
    r"^[ \t>]*(?:\+\s|(?:---|===|\+\+\+) *(?:FAIL|PASS|RUN|NAME|SKIP|Step|\w+:)|\d{4}-\d\d-\d\d[T ]\d\d:\d\d"
    r"|\d\d:\d\d:\d\d\b"
    r"|[\w./@-]+\.\w{1,5}:\d+(?::\d+)?:|\[[\w :./-]+\] |(?:FAIL|PASS|SKIP|ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL"
    r"|panic)\b[:\s]"
    r"|Error: |(?:\w+Error|Exception|Traceback)\b|at [\w.<>$]+ \("
    r"|[\u2713\u2717\u2718\u25b2\U0001f300-\U0001faff\u2600-\u26ff]).*$",
    re.MULTILINE,
)
_QUESTION = re.compile(
    r"(?i)\A\s*(?:what|why|how(?! about)|where|which|when|who|whose|is|are|was|were|does|do(?= (?:you|we|i|they|these"
    r"|those|our|your|any)\b|[^.!?\n]*\?)|did|should|has|have|had"
    r"|can (?!you"
    r"|we|u\b)"
    r"|could (?!you|we)|would (?!you|we|it be)|will (?!you)|shall|am|any|isn'?t|aren'?t|doesn'?t|don't|didn'?t|won'?t"
    r"|wouldn'?t"
    r"|so (?:did|do|does|is|are|what|why|how|won'?t|wouldn'?t|can(?! you| we)))\b"
)
_GIT_FIRST = re.compile(rf"(?i)\A(?:{_GIT})\b")
_CHANGE_FIRST = re.compile(rf"(?i)\A(?:re-?)?(?:{_CHANGE})\b")
_LOOK_FIRST = re.compile(rf"(?i)\A(?:{_LOOK})\b")
_TOOL_FIRST = re.compile(
    r"(?i)\A(?:(?:use|invoke|call|spawn|start) (?:\S+ ){0,3}(?:plugin|skill|(?:sub-?)?agents?|mcp"
    r"|workers?)|(?:give|show|tell|send|get|remind|walk) (?:me|us)|gi(?:ve|m)me)\b"
)
_SAME_AS_SAID = (
    r"(?:it|that|this|both|all|them|those|these)(?: of (?:it|them|those|these))?"
    r"|(?:the|these|those|all(?: the)?|your) (?:\w+ )?(?:improvements?|changes?|fix(?:es)?|suggestions?"
    r"|recommendations?|edits?|updates?|steps?|slices?|items?|tasks?|bugs?)"
)
_GO_ON = re.compile(
    r"(?i)\A(?:do|try|fix|go for|like|implement|change|make|apply|start|address|set|build|complete|finish)"
    rf" (?:{_SAME_AS_SAID})\b\W*(?:(?:up|please|right|now|then|too|first|as well)\b\W*)*\Z"
)
"""Asks for what was said before, which a task does not have."""
_WHEN = re.compile(
    rf"(?i)(?:\A|: )(?:if|when|where|unless)\b[^.?!\n]{{1,120}},\s*(?:then |please |just )?(?:{_CHANGE})\b"
)
_SUFFERING = re.compile(
    r"(?i)\A\W*(?:(?:ok(?:ay)?|so|and|but|also|now|hey|hi)\W+)*(?:i(?:'m| am)?|we(?:'re| are)?)"
    r" (?:\w+ )?(?:get(?:ting)?|see(?:ing)?|hav(?:e|ing) (?:an? |some |the )?(?:\w+ )?(?:problems?|issues?|troubles?"
    r"|errors?|bugs?)|can(?:'t|not)"
    r"|lost|hit(?:ting)?|run(?:ning)? into|found|notic\w+)\b"
)
"""Tells of trouble in the first person, which is no opinion."""
_OPINION = re.compile(
    r"(?i)\A\W*(?:(?:ok(?:ay)?|so|and|but|also|well|hmm+|honestly|actually|anyway)\W+)*"
    r"(?:(?:i|we|you|he|she|they)(?:'\w+)?\b|not sure\b|if\b|once\b|that(?:'s)?\b|let'?s go with\b)"
)
_AGREED = re.compile(r"(?i)\b(?:right|correct|no)\W*\Z")
_CONFLICTS = re.compile(
    r"(?i)\b(?:merge|rebase) (?:conflicts?|issues?|problems?)\b|\bconflict resolution\b|\brebas(?:e|ing)\b"
)
_ABOUT_DOCUMENTS = re.compile(rf"(?i){_DOCUMENTS}")
_ABOUT_LINT = re.compile(rf"(?i){_LINT}")
_IN_TROUBLE = re.compile(rf"(?i){_TROUBLE}|{_DEMAND}")
_WANTS = re.compile(
    rf"(?i)\b(?:can (?:you|we)|could (?:you|we)|we (?:can|could)|suggest (?:that )?(?:we|you)"
    r"|please|let'?s|should|need to|needs to|must"
    rf"|want(?: you)? to|i want|make sure|has to|have to"
    rf"|(?:would|'d) like(?: us| you| it)? to|lets|is to)\b[^.?!\n]{{0,40}}?\b(?:{_CHANGE})\b"
    rf"|\b(?:should be|consider|let's start|suggest|recommend) {_DOING}\b"
)
_BY_THE_BOOK = re.compile(r"(?i)\b(?:following|according to|as (?:described|written|planned)|per|see|based on|from)\b")
_NO_CHANGE = re.compile(
    r"(?i)\b(?:do not|don'?t|without) (?:chang|edit|modify|implement|touch|writ|mak)\w* (?:anything|any (?:code"
    r"|files?|changes?)"
    r"|(?:any )?code|yet)\b|\b(?:just|only) report\b|\breport (?:back )?(?:only|to me)\b|\bno (?:code )?changes? "
    r"(?:yet|please)\b"
    r"|\bbrainstorm\w*\b|\binterview me\b|\b(?:do|doing) (?:\w+ ){0,3}research\b"
    r"|(?:\A|[.\n] *|\b(?:you|please|to|and|let'?s) )(?:make|create|write|draft|propose|come up with|give me|suggest"
    r"|prepare) (?:me )?"
    r"(?:an?|the|some) (?:\w+ ){0,2}(?:plan|proposal|suggestions?|overview|summary|changelog)\b(?! (?:command|file"
    r"|page|mode|view))"
)
"""Says that nothing is to be changed, or that there is to be a plan first."""
_FEW_WORDS = 4
_PASTE_LINES = 6
_MOST_WORDS = 0.7
"""Share of a prompt of `_PASTE_LINES` and more that must be words for it not to be mostly pasted."""
_SIGNS_FROM = 9
"""Characters from which a line is told by its letters."""


def own_words(prompt: str) -> str:
    """Return a prompt without code and without what was copied from logs and terminals; lines stay lines."""
    text = prompt.replace("\u2019", "'")
    left = _PASTED.sub("\n", _CODE.sub("\n", text)).split("\n")
    words = "\n".join(line for line in left if not _is_output(line))
    if text.count("\n") < _PASTE_LINES or len(words) > _MOST_WORDS * len(text):
        return words
    # Mostly pasted: of a log not every line is known for one, but people write before or after it.
    parts = [part for part in re.split(r"\n\s*\n", words) if re.search(r"\w", part)]
    return "\n\n".join(parts[:1] + parts[1:][-1:])


def sentences(words: str) -> list[str]:
    """Return the sentences of a text, and its lines where they end none."""
    return [part for part in _SENTENCE.split(words) if re.search(r"\w", part)]


def asked_for(prompt: str) -> list[tuple[Wish, str]]:
    """Return the sentences of a prompt that ask for a change or tell of trouble, in order."""
    told = [(_of_sentence(part), part) for part in sentences(own_words(prompt))]
    return [(wish, part) for wish, part in told if wish in ("change", "report")]


def wishing(prompt: str) -> list[str]:
    """Return the sentences that ask for a change or tell of trouble, each with the one before and after it."""
    parts = sentences(own_words(prompt))
    met = {at for at, part in enumerate(parts) if _of_sentence(part) in ("change", "report")}
    return [part for at, part in enumerate(parts) if met & {at - 1, at, at + 1}]


def _is_output(line: str) -> bool:
    """Tell a line of signs and digits from one of words."""
    bare = line.strip()
    return len(bare) >= _SIGNS_FROM and sum(map(str.isalpha, bare)) < len(bare) // 2


def wish_of(prompt: str) -> Wish:
    """Return what a prompt wants done; a change of the program where it wants that among other things."""
    words = own_words(prompt)
    if _NO_CHANGE.search(words):
        return "look"
    parts = sentences(words)
    told = [_of_sentence(part) for part in parts]
    if told[:1] == ["documentation"] and words.strip().partition("\n")[0].rstrip().endswith(":"):
        return "documentation"
    asks = told[:1] == ["question"] and not any(_SUFFERING.match(part) for part in parts)
    if "report" in told and "change" not in told and "documentation" not in told and not asks:
        return "report"
    order: tuple[Wish, ...] = ("change", "lint", "documentation", "git", "question", "look", "unknown")
    return next((wish for wish in order if wish in told), "nothing")


def _of_sentence(sentence: str) -> Wish:
    said = sentence.strip()
    bare = _FILLER.sub("", said)
    tests: tuple[tuple[Wish | None, bool], ...] = (
        ("git", bool(_GIT_FIRST.match(bare) or _CONFLICTS.search(said))),
        ("nothing", len(bare.split()) < 2 or bool(_GO_ON.match(bare))),
        ("look", bool(_TOOL_FIRST.match(bare))),
        (None, bool(_CHANGE_FIRST.match(bare) or _WHEN.search(bare))),
        (None, bool(_LOOK_FIRST.match(bare) and _WANTS.search(bare))),
        ("look", bool(_LOOK_FIRST.match(bare))),
        ("question", bool(_QUESTION.match(said) or _QUESTION.match(bare))),
        (None, bool(_WANTS.search(said))),
        ("report", bool(_SUFFERING.match(said) and _IN_TROUBLE.search(said))),
        ("question", said.endswith("?") or bool(_AGREED.search(said))),
        ("lint", bool(_ABOUT_LINT.search(said))),
        ("report", bool(_IN_TROUBLE.search(said)) and not _OPINION.match(said)),
        ("unknown", len(bare.split()) >= _FEW_WORDS),
    )
    wish: Wish | None = next((wish for wish, true in tests if true), "nothing")
    return wish if wish is not None else _by_object(bare)


def _by_object(said: str) -> Wish:
    """Return what a wish for a change is about, by the first ten words: documents and layout are no program."""
    about = " ".join(_BY_THE_BOOK.split(said)[0].split()[:10])
    if _ABOUT_LINT.search(about):
        return "lint"
    return (
        "documentation"
        if _ABOUT_DOCUMENTS.search(about) and not re.search(r"(?i)\b(?:parser?|generator|code|test)\b", about)
        else "change"
    )
