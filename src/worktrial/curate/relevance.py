"""Which test files should concern a change, told before anything is run: by history, names, imports and text.

The ranking is held against coverage of the changed lines, which decides.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from worktrial.formats.evidence import PREDICTED, Ranked, Relevance
from worktrial.languages.protocol import Language

_FUSED = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""
_K1, _B = 1.2, 0.75
"""Constants of BM25 (Robertson and Zaragoza 2009)."""
_WORD = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass(frozen=True)
class Change:
    """What is known of a change before its tests are run."""

    prompt: str
    source: tuple[str, ...]
    """Paths it touched, tests left out."""
    words: str
    """The source lines that it added or changed."""


def rank(
    change: Change,
    tests: Mapping[str, str],
    together: Sequence[Collection[str]],
    language: Language,
) -> tuple[Ranked, ...]:
    """Return the test files that anything speaks for, the likeliest first.

    `tests` holds the text of each test file by path; `together` the paths of each earlier change.
    """
    scores: dict[str, dict[str, float]] = {
        "history": _history(change.source, tests, together),
        "name": dict.fromkeys(language.related_tests(change.source, sorted(tests)), 1.0),
        "imports": {path: float(language.imported(path, text, change.source)) for path, text in tests.items()},
        "text": bm25(_words(f"{change.prompt}\n{change.words}"), {path: _words(text) for path, text in tests.items()}),
    }
    total: dict[str, float] = {}
    for by_path in scores.values():
        best: dict[float, int] = {}
        for place, value in enumerate(sorted((v for v in by_path.values() if v > 0), reverse=True), 1):
            best.setdefault(value, place)  # files with the same score share the better place
        for path, value in by_path.items():
            if value > 0:
                total[path] = total.get(path, 0.0) + 1 / (_FUSED + best[value])
    return tuple(
        Ranked(
            path=path,
            score=round(score, 6),
            signals={name: round(by_path[path], 4) for name, by_path in scores.items() if by_path.get(path)},
        )
        for path, score in sorted(total.items(), key=lambda item: (-item[1], item[0]))
    )


def against_coverage(ranked: Sequence[Ranked], covering: Collection[str], most: int = 50) -> Relevance:
    """Return a ranking with how well its first few agree with the files whose tests ran a changed line.

    None where there is nothing to compare: no file was predicted, or none runs a changed line.
    """
    predicted = {one.path for one in ranked[:PREDICTED]}
    hit = len(predicted & set(covering))
    return Relevance(
        ranked=tuple(ranked[:most]),
        covering_files=tuple(sorted(covering)),
        precision=hit / len(predicted) if predicted and covering else None,
        # Of a set larger than what is predicted no more can be found than there is room for.
        recall=hit / min(len(covering), PREDICTED) if covering else None,
        average_precision=_average_precision([one.path for one in ranked], set(covering)) if covering else None,
    )


def _average_precision(ranked: Sequence[str], wanted: Collection[str]) -> float:
    """Return the mean precision at the place of each wanted file; one that is not ranked counts as 0."""
    places = [place for place, path in enumerate(ranked, 1) if path in wanted]
    return sum(n / place for n, place in enumerate(places, 1)) / len(wanted)


def bm25(query: Collection[str], documents: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the BM25 score of each document for the words of a query (Robertson and Zaragoza 2009, equation 3.15).

    The weight of a word is log(1 + (N - n + 0.5) / (n + 0.5)), which is never negative.
    """
    counts = {path: Counter(words) for path, words in documents.items()}
    mean = sum(len(words) for words in documents.values()) / len(documents) if documents else 0.0
    found: dict[str, float] = dict.fromkeys(documents, 0.0)
    for word in set(query):
        holders = [path for path, count in counts.items() if word in count]
        weight = math.log(1 + (len(documents) - len(holders) + 0.5) / (len(holders) + 0.5))
        for path in holders:
            times = counts[path][word]
            length = len(documents[path]) / mean
            found[path] += weight * times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * length))
    return found


def _history(source: Collection[str], tests: Collection[str], together: Sequence[Collection[str]]) -> dict[str, float]:
    """Return the share of earlier changes of the source files in which each test file was changed too."""
    wanted = set(source)
    shared = [set(paths) for paths in together if wanted & set(paths)]
    return {path: sum(path in paths for paths in shared) / len(shared) for path in tests} if shared else {}


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text) if len(word) > 2]
