"""What `worktrial review` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import signal
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from worktrial.analyse.agreement import in_words
from worktrial.analyse.reviews import MODEL, NAMES, RULES, agreement_json
from worktrial.cli.output import print_json, talk
from worktrial.errors import FormatError, UsageError
from worktrial.formats.review import Reviewer
from worktrial.review.desk import Desk
from worktrial.review.sample import sample
from worktrial.review.server import ReviewServer
from worktrial.store.suite import Suite

_NAME: TypeAdapter[str] = TypeAdapter(Reviewer)


def review(given: Mapping[str, Any]) -> int:
    """Serve the pages until somebody stops them, or print the agreement; return the exit code."""
    suite = Suite.open(given["suite"])
    if given["agreement"]:
        _print_agreement(suite, as_json=given["as_json"])
        return 0
    reviewer = _name(given["reviewer"])
    ids = sample(suite, given["sample"], given["seed"], rejected=given["rejected"])
    if not ids:
        raise FormatError(f"{suite.path} has nothing to review", hint="validate it first: worktrial validate SUITE")
    desk = Desk(suite, reviewer, ids)
    asyncio.run(_serve(desk, given["port"]))
    done = len(desk.mine())
    talk.print(f"\n{done} of {len(ids)} have labels of {reviewer}, in {suite.path / 'reviews.jsonl'}", markup=False)
    if given["as_json"]:
        print_json({"reviewer": reviewer, "sample": len(ids), "labelled": done})
    return 0


def _name(given: str | None) -> str:
    """Return the reviewer's name. Raises `UsageError` for one that would be taken for something else."""
    try:
        name = _NAME.validate_python(given if given is not None else getpass.getuser())
    except (ValidationError, OSError, KeyError) as error:
        raise UsageError("no name that can be used", hint="give --reviewer NAME, at most 60 characters") from error
    if name in (RULES, MODEL):
        raise UsageError(f"a reviewer can't be called {name!r}", hint="that is what a machine's labels are called here")
    return name


async def _serve(desk: Desk, port: int) -> None:
    server = ReviewServer(desk)
    await server.start(port)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    count, done = len(desk.ids), len(desk.mine())
    talk.print(f"{count} items for {desk.reviewer}, {done} labelled. Open in a browser on this machine:", markup=False)
    talk.print(f"  {server.url}", markup=False, soft_wrap=True)
    talk.print("Ctrl-C ends it; labels are stored as they are saved.")
    try:
        await stopped.wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await server.close()


def _print_agreement(suite: Suite, *, as_json: bool) -> None:
    from rich.table import Table

    found = agreement_json(suite)
    people = ", ".join(f"{name} {count}" for name, count in found["reviewers"].items()) or "nobody yet"
    talk.print(f"{found['items']} items labelled; {people}", markup=False)
    if found["agreement"]:
        table = Table("label", "raters", "items", "agree", "kappa", "95% CI", "", box=None, pad_edge=False)
        for row in found["agreement"]:
            kappa = row["kappa"]
            interval = "" if kappa is None else f"{row['ci95'][0]:.2f} to {row['ci95'][1]:.2f}"
            table.add_row(
                *(NAMES[row["label"]], " and ".join(row["raters"]), str(row["items"]), f"{row['percent']:.0f}%"),
                *("" if kappa is None else f"{kappa:.2f}", interval, in_words(kappa)),
            )
        talk.print(table, markup=False)
    for item, why in found["retired"].items():
        talk.print(f"left out of runs: {item}, {why}", markup=False, soft_wrap=True)
    if as_json:
        print_json(found)
