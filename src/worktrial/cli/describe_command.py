"""What `worktrial describe` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from worktrial.cli.output import print_json, talk
from worktrial.errors import FormatError, WorktrialError
from worktrial.pages.text import plain
from worktrial.review import describe_page
from worktrial.review.describe import describe as set_beside
from worktrial.review.describe import described_json
from worktrial.review.portrait import portrait
from worktrial.store.git import open_repository
from worktrial.store.suite import Suite


def describe(path: Path, out: Path | None, *, as_json: bool) -> None:
    """Print what a suite does not cover, and write the page. Raises `FormatError` for a suite without candidates."""
    suite = Suite.open(path)
    if out is not None:
        describe_page.check_target(out)
    info = suite.info()
    with talk.status("reading the work it came from"):
        found = portrait(suite)
    if not found.candidates:
        raise FormatError(f"{suite.path} has no candidates", hint="find some: worktrial mine REPO --suite DIR")
    head_at = _date(Path(info.repository), info.head) or max(one.landed_at for one in found.everything)
    described = set_beside(found, head_at)
    counts = f"{len(found.tasks)} tasks, {len(found.candidates)} candidates, {len(found.everything)} changes"
    talk.print(counts, markup=False)
    for gap in described.gaps:
        talk.print(f"- {plain(gap)}", markup=False, soft_wrap=True)
    if out is not None:
        page = describe_page.write(described, out, name=info.name, head=info.head, head_at=head_at)
        talk.print(f"page: {page}", markup=False, soft_wrap=True)
    if as_json:
        print_json(described_json(described))


def _date(repository: Path, commit: str) -> datetime | None:
    """Return when a commit was made; None when the repository no longer tells."""
    try:
        text = open_repository(repository).text("log", "-1", "--format=%ct", "--end-of-options", commit)
        return datetime.fromtimestamp(int(text), UTC)
    except (WorktrialError, ValueError):
        return None
