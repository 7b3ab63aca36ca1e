"""The report as a folder: built beside its place and put there when it is whole."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worktrial.analyse.decision import Decision
from worktrial.analyse.summary import RunSummary
from worktrial.errors import FormatError, UsageError
from worktrial.formats.config import Configuration
from worktrial.formats.run import RunRequest
from worktrial.pages.render import style
from worktrial.report.asjson import report_json
from worktrial.report.crew import write, write_pages
from worktrial.report.landed import Landed
from worktrial.report.overview import index_page
from worktrial.report.reckoning import reckon
from worktrial.store.files import writing
from worktrial.store.run import RunDir

_OWN = {"index.html", "report.json", "assets", "tasks", "trials"}
"""All that lies at the top of a report."""


@dataclass(frozen=True)
class Built:
    """A report that was written."""

    index: Path
    summary: RunSummary
    decision: Decision


def build(run: RunDir, out: Path, configuration: Configuration | None = None) -> Built:
    """Write the report of `run` to the folder `out`, replacing an earlier report there.

    `configuration` gives rates, weights and thresholds; without it those of an empty `worktrial.toml` hold.

    Raises `UsageError` when `out` holds anything else, `FormatError` when a file of the run is torn, `StorageError`
    when writing fails; `out` is then as it was.
    """
    out = out.resolve()
    check_target(out)
    request = run.request()
    check_names(request)
    found = reckon(run, configuration or Configuration())
    summary = found.summary
    landed = Landed(Path(request.suite), summary.lock.suite_digest)
    with replacing(out) as folder:
        # The suite's tasks are read for their own pages; the first page takes what it needs of them from there.
        write_pages(run, folder, summary, landed)
        write(folder / "assets" / "report.css", style())
        write(folder / "index.html", index_page(found, landed))
        write(folder / "report.json", json.dumps(report_json(found, landed), indent=1) + "\n")
    return Built(out / "index.html", summary, found.decision)


def check_names(request: RunRequest) -> None:
    """Raise `FormatError` for names that would lead out of the report's folder, or into each other's pages."""
    for what, names in (("agent", [agent.name for agent in request.everyone()]), ("task", list(request.tasks))):
        for name in names:
            if not name or name.startswith(".") or set(name) & set("/\\\0"):
                raise FormatError(f"run.toml names {what} {name!r}", cause="that is no name for a folder")
        if len(set(names)) < len(names):
            raise FormatError(f"run.toml names an {what} twice" if what == "agent" else "run.toml names a task twice")


def check_target(out: Path) -> None:
    """Raise `UsageError` unless `out` is absent, empty, or an earlier report and nothing besides."""
    hint = "give --out a new folder; nothing was written"
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file, not a folder", hint=hint)
    names = {path.name for path in out.iterdir()}
    if names and not _is_report(out):
        raise UsageError(f"won't write over {out}", cause="it is not empty and not an earlier report", hint=hint)
    if others := sorted(names - _OWN):
        raise UsageError(f"won't write over {out}", cause=f"besides a report it holds {others[0]}", hint=hint)


def _is_report(folder: Path) -> bool:
    try:
        value = json.loads((folder / "report.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and str(value.get("format")).startswith("worktrial/report@")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target` that takes its place when the block ends, and goes when it fails."""
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        part, old = scratch / "new", scratch / "old"
        with writing(target):
            part.mkdir()
        yield part
        with writing(target):
            if target.exists():
                target.rename(old)
            try:
                part.rename(target)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    old.rename(target)
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
