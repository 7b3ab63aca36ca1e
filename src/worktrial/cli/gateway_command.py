"""What `worktrial gateway` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from worktrial.analyse.words import money
from worktrial.cli.configuration import read_configuration
from worktrial.cli.output import print_json, talk
from worktrial.errors import UsageError
from worktrial.formats.gateway import GatewayRecord
from worktrial.gateway.configure import vendor_upstreams
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import RECORDS, read_records
from worktrial.gateway.reliability import reliability
from worktrial.gateway.server import Gateway, OpenTrial
from worktrial.gateway.trials import side_requests
from worktrial.store.files import writing

_TRIAL = re.compile(r"\w[\w.:@+-]*/\w[\w.:@+-]*/\d+")
_SECRET = ".gateway-secret"  # noqa: S105 - a file's name


def run(given: Mapping[str, Any]) -> int:
    """Serve until interrupted, or print the summary of a record; return the exit code."""
    if given["summary"] is not None:
        _conclude(given["summary"], as_json=given["as_json"])
        return 0
    if given["out"] is None:
        raise UsageError("the gateway needs a folder for its record", hint="give --out DIR")
    for trial in given["trials"]:
        if not _TRIAL.fullmatch(trial):
            raise UsageError(f"{trial!r} names no trial", hint="a trial is AGENT/TASK/N, e.g. codex/fix-it/1")
    config = read_configuration(given["config"]).gateway
    if given["replay"] is None and not config.upstreams:
        config = config.model_copy(update={"upstreams": vendor_upstreams()})
        if not config.upstreams:
            raise UsageError(
                "the gateway has no upstream",
                hint="export OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY, or write [gateway.upstreams.NAME]",
            )
    budget = Budget(given["budget"], limit_tokens=given["tokens"])
    asyncio.run(_serve(Gateway(config, budget=budget, replay=given["replay"]), given))
    _conclude(given["out"], as_json=given["as_json"])
    return 0


async def _serve(gateway: Gateway, given: Mapping[str, Any]) -> None:
    out: Path = given["out"]
    port = 0 if given["port"] is None else given["port"]
    await gateway.start(port=port, socket=given["socket"])
    try:
        secret = _secret(out)
        opened = [gateway.open(trial, out / "trials" / trial, token=_token(secret, trial)) for trial in given["trials"]]
        _tell(gateway, opened, as_json=given["as_json"])
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
    finally:
        await gateway.stop()


def _tell(gateway: Gateway, opened: Sequence[OpenTrial], *, as_json: bool) -> None:
    if as_json:
        trials = [{"trial": one.meter.trial, "path": one.path, "url": gateway.url + one.path} for one in opened]
        print_json({"url": gateway.url, "socket": str(gateway.socket or ""), "trials": trials})
        return
    for one in opened:
        click.echo(f"{one.meter.trial}  {gateway.url}{one.path}")
    talk.print("Recording; Ctrl-C ends it.", markup=False)


def _secret(out: Path) -> bytes:
    """Return what tokens are made of, kept so that addresses stay the same when the gateway is started again."""
    path = out / _SECRET
    with writing(path):
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch(0o600)
            path.write_text(secrets.token_hex(32))
        return path.read_bytes()


def _token(secret: bytes, trial: str) -> str:
    return hmac.new(secret, trial.encode(), hashlib.sha256).hexdigest()[:40]


# -- the summary --


def _conclude(folder: Path, *, as_json: bool) -> None:
    trials = {path.parent: list(read_records(path.parent)) for path in sorted(folder.glob(f"trials/*/*/*/{RECORDS}"))}
    summary = summarise(list(trials.values()))
    if as_json:
        print_json(summary)
        return
    tokens = (
        f"{summary['input_tokens']} tokens in ({summary['cache_read_tokens']} cached), {summary['output_tokens']} out"
    )
    click.echo(f"{summary['requests']} requests of {len(trials)} trials, {tokens}, {money(summary['cost_usd'])}")
    for one in summary["upstreams"]:
        rate = f"{one['error_rate']:.1%}" if one["error_rate"] is not None else "-"
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(one["outcomes"].items()))
        calls = f"{one['malformed_tool_calls']} of {one['tool_calls']} tool calls malformed"
        click.echo(f"{one['upstream']}: {outcomes}; errors {rate}; {calls}; {one['retries']} retries")


def summarise(trials: Sequence[Sequence[GatewayRecord]]) -> dict[str, Any]:
    """Return the sums over the records of some trials, by trial; a cost is unknown (None) as soon as one part is."""
    records = [record for trial in trials for record in trial]
    known = all(record.cost_usd is not None for record in records)
    return {
        "requests": len(records),
        "side_requests": sum(len(side_requests(trial)) for trial in trials),
        "input_tokens": sum(record.input_tokens or 0 for record in records),
        "output_tokens": sum(record.output_tokens or 0 for record in records),
        "cache_read_tokens": sum(record.cache_read_tokens or 0 for record in records),
        "cost_usd": round(sum(record.cost_usd or 0.0 for record in records), 6) if known else None,
        "upstreams": [{**asdict(one), "error_rate": one.error_rate} for one in reliability(records)],
    }
