"""What a validation is doing at the moment, for those who wait for it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

Watch = Callable[[Mapping[str, int]], None]
"""Called with what is being done, in words, and how many times at once, whenever that changes."""


class Activity:
    """Counts what is under way."""

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch = watch
        self._counts: Counter[str] = Counter()

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Let whoever watches know of it while the block lasts."""
        self._change(what, 1)
        try:
            yield
        finally:
            self._change(what, -1)

    def _change(self, what: str, by: int) -> None:
        self._counts[what] += by
        if self._watch is not None:
            self._watch(+self._counts)
