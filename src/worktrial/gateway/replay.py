"""Answers from the record of an earlier run: no provider is asked, and what was not recorded fails loudly."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import FormatError
from worktrial.formats.gateway import GatewayRecord, Outcome
from worktrial.gateway.exchange import Exchange, Refusal
from worktrial.gateway.reading import parse
from worktrial.gateway.recording import RECORDS, read_trial
from worktrial.gateway.transport import Answer, UpstreamFailure

_VOLATILE_FIELDS = ("metadata", "client_metadata", "prompt_cache_key", "safety_identifier", "user", "session_id")
"""Fields of a request that agents fill with ids of their own making; no answer depends on them."""
_VOLATILE = re.compile(
    r"\b\d+(?:\.\d+)? ?(?:ms|s|secs?|seconds)\b"  # how long something took
    r"|\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"  # when
    r"|\b\d\d:\d\d:\d\d(?:\.\d+)?\b"
    r"|(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"  # ids made at random, `msg_…` too
    r"|(?<=Chunk ID: )[0-9a-f]{6}\b"  # of what Codex's commands print
    r"|\b0x[0-9a-f]{6,16}\b"  # addresses
    r"|(?<=/tmp/)[\w.-]+"
    r"|(?<=127\.0\.0\.1:)\d+|(?<=localhost:)\d+"
    r"|(?<=/run/)[\w.-]{16,}",
    re.IGNORECASE,
)
_BROKEN_OFF: frozenset[Outcome] = frozenset({"cut", "upstream_timeout", "upstream_endless", "client_gone"})


@dataclass
class _Entry:
    record: GatewayRecord
    used: bool = False


class Replay:
    """The record of a run. Requests are matched by trial, protocol, model and body, in the order they came.

    The body first has to be the same; if none is, then the same but for what changes from run to run by nature: ids
    that agents make up, durations, dates, addresses and temporary paths in what tools printed.
    """

    def __init__(self, run: Path) -> None:
        """Raises `FormatError` when there is no record of a run."""
        if not any(run.glob(f"trials/*/*/*/{RECORDS}")):
            raise FormatError(f"{run} holds no record of a gateway", hint="name the folder of a run that used models")
        self._run = run
        self._trials: dict[str, _Recorded] = {}

    async def ask(self, exchange: Exchange, headers: Iterable[tuple[str, str]]) -> Answer:
        """Return what was answered then. Raises `Refusal` when it was not asked then."""
        trial = exchange.trial.trial
        if trial not in self._trials:
            self._trials[trial] = _Recorded(self._run / "trials" / trial)
        recorded = self._trials[trial]
        entry = recorded.find(exchange)
        if entry is None:
            message = f"worktrial: not recorded: {trial} never asked this ({exchange.id}), and nobody is asked now"
            raise Refusal("not_recorded", 400, message, {"x-should-retry": "false"})
        entry.used = True
        record = entry.record
        exchange.recorded = record
        if record.outcome != "answered":
            exchange.outcome, exchange.error = record.outcome, record.error
        return _RecordedAnswer(record, recorded.bodies.get(record.response_body, b""))

    async def close(self) -> None:
        """There is nothing to close."""


class _Recorded:
    """One trial's record."""

    def __init__(self, folder: Path) -> None:
        records, self.bodies = read_trial(folder)
        self._exact: dict[str, list[_Entry]] = {}
        self._loose: dict[str, list[_Entry]] = {}
        for record in records:
            if record.status is None:  # nothing was answered, so there is nothing to answer with
                continue
            entry = _Entry(record)
            kind = f"{record.api} {record.operation} {record.request_model}"
            body = self.bodies.get(record.request_body, b"")
            self._exact.setdefault(f"{kind} {record.request_body}", []).append(entry)
            self._loose.setdefault(f"{kind} {canonical(body)}", []).append(entry)

    def find(self, exchange: Exchange) -> _Entry | None:
        """Return the first entry for a request that was not used yet."""
        model = "" if exchange.asked is None else exchange.asked.model
        kind = f"{exchange.route.wire.api} {exchange.route.operation} {model}"
        digest = hashlib.sha256(exchange.body).hexdigest() if exchange.body else ""
        for entry in self._exact.get(f"{kind} {digest}", ()):
            if not entry.used:
                return entry
        for entry in self._loose.get(f"{kind} {canonical(exchange.body)}", ()):
            if not entry.used:
                return entry
        return None


class _RecordedAnswer:
    def __init__(self, record: GatewayRecord, body: bytes) -> None:
        self.status = record.status or 502
        self.headers = {"Content-Type": "application/json", **record.response_headers}
        if "content-type" in record.response_headers:
            self.headers.pop("Content-Type")
        self._record = record
        self._body = body
        self.length = None if record.stream or record.outcome in _BROKEN_OFF else len(body)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what was answered; it breaks off where it did."""
        if self._body:
            yield self._body
        if self._record.outcome in _BROKEN_OFF and (self._record.status or 0) < 300:
            raise UpstreamFailure(self._record.outcome, self._record.error)

    def close(self) -> None:
        """There is nothing to close."""


def canonical(body: bytes) -> str:
    """Return a hash of a request's body that is the same in every run that asks the same."""
    try:
        parsed = parse(body)
    except ValueError:
        return hashlib.sha256(body).hexdigest()
    if isinstance(parsed, dict):
        parsed = {name: value for name, value in parsed.items() if name not in _VOLATILE_FIELDS}
    text = _VOLATILE.sub("#", json.dumps(parsed, sort_keys=True, ensure_ascii=False))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
