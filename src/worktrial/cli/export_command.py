"""What `worktrial export` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from worktrial import agents
from worktrial.analyse.words import count
from worktrial.cli.output import print_json, talk
from worktrial.cli.progress import Work, working
from worktrial.export.tables import Attempt, attempts, count_attempts, outcome
from worktrial.export.target import replacing
from worktrial.store.run import RunDir

_Write = Callable[[Iterable[Attempt], Path], None]


def export(run: Path, shape: str, out: Path, *, as_json: bool) -> int:
    """Write `run` to `out` as `shape`. Raises `WorktrialError`; `out` is then as it was before."""
    opened = RunDir.open(run)
    one_file = shape == "sqlite" or (shape in ("csv", "parquet") and out.suffix == f".{shape}")
    write = _writer(shape, opened, one_file=one_file)
    outcomes: Counter[str] = Counter()
    with working("Exporting", count_attempts(opened)) as work, replacing(out, folder=not one_file) as fresh:
        write(_counted(attempts(opened, frozenset(agents.CONTROLS)), outcomes, work), fresh)
    talk.print(f"{count(outcomes.total(), 'attempt')}: {out}", markup=False, soft_wrap=True)
    if as_json:
        print_json({"out": str(out), "to": shape, "attempts": outcomes.total(), "outcomes": dict(outcomes)})
    return 0


def _writer(shape: str, run: RunDir, *, one_file: bool) -> _Write:
    """Return what writes `shape`; it is missing before anything is read when what it needs is not installed."""
    if shape == "csv":
        from worktrial.export import to_csv

        return lambda found, path: to_csv.write(found, path, one_file=one_file)
    if shape == "sqlite":
        from worktrial.export import to_sqlite

        return to_sqlite.write
    if shape == "parquet":
        from worktrial.export import to_parquet

        to_parquet.available()
        return lambda found, path: to_parquet.write(found, path, one_file=one_file)
    from worktrial.export import to_inspect

    to_inspect.available()
    return lambda found, path: to_inspect.write(found, path, run)


def _counted(found: Iterator[Attempt], outcomes: Counter[str], work: Work) -> Iterator[Attempt]:
    for attempt in found:
        outcomes[outcome(attempt)] += 1
        yield attempt
        if attempt.set_aside is None:
            work.done(None)
