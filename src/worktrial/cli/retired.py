"""What reviewers or a refresh retired is left out, and said to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from worktrial.analyse.reviews import retired_by_reviewers
from worktrial.cli.output import talk
from worktrial.formats.suite import Retired
from worktrial.store.refresh import retired_earlier
from worktrial.store.suite import Suite


def print_retired(suite: Suite, ids: Iterable[str], begun: Mapping[str, str] | None = None) -> set[str]:
    """Return which of `ids` were retired, and say so; `begun` is how it was when a run began, None: as it is."""
    retired = retired_by_reviewers(suite) if begun is None else begun
    earlier = {} if begun is not None else {task: _in_words(one) for task, one in retired_earlier(suite).items()}
    reasons = {**earlier, **retired}
    found = {item: reasons[item] for item in ids if item in reasons}
    for item, why in sorted(found.items()):
        talk.print(f"left out: {item}, {why}", markup=False, soft_wrap=True)
    return set(found)


def _in_words(retired: Retired) -> str:
    return f"retired in version {retired.version}: {retired.reason}"
