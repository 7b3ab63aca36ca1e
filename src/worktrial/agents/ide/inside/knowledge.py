"""Searching what a project says of itself: documents, comments, docstrings. Standard library only."""

import math
import re
from collections import Counter

import plain

PROSE = {".md", ".rst", ".txt", ".adoc", ".markdown", ""}
WORD = re.compile(r"[A-Za-z][A-Za-z0-9]+|\d+")
K1, B = 1.2, 0.75
"""Robertson and Zaragoza (2009), The Probabilistic Relevance Framework, section 3.2: the usual values."""
MAX_LINES = 30
STOP = re.compile(
    "a|an|and|are|as|at|be|by|do|does|done|for|from|how|in|is|it|of|on|or|that|the|this|to|what|where|with"
)
ENDING = re.compile(r"(?<=\w{3})(?:ings?|ed|es|s)$")
"""Endings that say little; taken off both sides, so that `rounding` finds `rounded`."""


def words(text):
    """Return the words of a text, lower case, without endings; `parse_args` and `parseArgs` are two each."""
    found = []
    for match in WORD.finditer(text.replace("_", " ")):
        found += [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", match[0])]
    return [ENDING.sub("", word) for word in found if not STOP.fullmatch(word)]


def passages(root):
    """Yield (path, first line, text): paragraphs under their heading of documents, docstrings and comments of code."""
    for path in plain.files(root):
        suffix = "." + path.rsplit(".", 1)[1] if "." in path.rsplit("/", 1)[-1] else ""
        if suffix in PROSE:
            yield from chunks(path, plain.text_of(root, path).splitlines())
        elif suffix in plain.CODE:
            yield from comments(path, plain.text_of(root, path).splitlines())


def chunks(path, lines):
    """Yield runs of lines between blank ones, at most `MAX_LINES` each."""
    start, kept = 0, []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip() and len(kept) < MAX_LINES:
            if not kept:
                start = number
            kept.append(line)
        elif kept:
            yield path, start, "\n".join(kept)
            kept = []


def comments(path, lines):
    """Yield the comments and docstrings of a source file."""
    inside = False
    told = []
    for line in lines:
        quotes = line.count('"""') + line.count("'''")
        keep = inside or quotes > 0 or line.lstrip().startswith(("#", "//", "/*", "*", "--"))
        if quotes % 2:
            inside = not inside
        told.append(line if keep else "")
    yield from chunks(path, told)


def search(root, query, most=8):
    """Return (score, path, line, text) of the passages nearest to a query by BM25, best first."""
    wanted = set(words(query))
    if not wanted:
        return []
    found, counts, documents, total = [], Counter(), 0, 0
    for path, line, text in passages(root):
        said = words(path + " " + text)
        documents += 1
        total += len(said)
        here = Counter(word for word in said if word in wanted)
        counts.update(here.keys())
        if here:
            found.append((path, line, text, here, len(said)))
    average = total / documents if documents else 1
    ranked = []
    for path, line, text, here, length in found:
        score = 0.0
        for word, times in here.items():
            rarity = math.log(1 + (documents - counts[word] + 0.5) / (counts[word] + 0.5))
            score += rarity * times * (K1 + 1) / (times + K1 * (1 - B + B * length / average))
        ranked.append((score, path, line, text))
    return sorted(ranked, key=lambda row: (-row[0], row[1], row[2]))[:most]
