"""Trials as the gateway knows them: by an unguessable token, each with its record, its accounts and its sums."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from worktrial.formats.gateway import UNSENT, GatewayRecord, Outcome, Source
from worktrial.formats.trial import Usage
from worktrial.gateway.limits import Account
from worktrial.gateway.recording import Recorder

GENERATING = ("chat", "generate_content")
"""Operations that generate something: the others cost nothing and are no turns."""
_STREAMING = re.compile(rb'"stream"\s*:\s*(?:true|false)|"stream_options"\s*:\s*\{[^{}]*\}')
_SEPARATORS = b" \t\r\n,"
_STOPS: tuple[Outcome, ...] = ("budget", "limit")
_SOURCES: tuple[Source, ...] = ("estimated", "reported", "metered")
"""The least certain first: that of a sum is that of its least certain part."""


@dataclass(frozen=True)
class Try:
    """Which try of a request one is."""

    number: int = 1
    first: str = ""
    """Id of the first, for a retry."""


class TrialMeter:
    """One trial: what it may spend, what it asked and what that came to."""

    def __init__(
        self, trial: str, token: str, folder: Path, accounts: Sequence[Account], upstream: str | None = None
    ) -> None:
        """`trial` is `agent/task/n`; `accounts` are charged for it, its own last; `upstream` is the only one it may
        use, None for any. What its folder holds already of an earlier gateway goes on and is charged."""
        self.trial = trial
        self.token = token
        self.agent = trial.partition("/")[0]
        self.accounts = tuple(accounts)
        self.upstream = upstream
        self.recorder = Recorder(folder, trial)
        self.outcomes: Counter[Outcome] = Counter()
        self.tool_calls: Counter[str] = Counter()
        """Calls the model asked for, by the tool's name."""
        self._usage = Usage(cost_usd=0.0, cost_source="metered")
        self._bodies: dict[str, tuple[str, int]] = {}
        self._failed: dict[str, tuple[str, int]] = {}
        for record in self.recorder.earlier:
            self.add(record)
            for account in self.accounts:
                account.budget.charge(record.cost_usd, tokens_of(record))

    @property
    def folder(self) -> Path:
        """Where its record is."""
        return self.recorder.folder

    def try_of(self, identifier: str, body: bytes, digest: str) -> Try:
        """Return which try of a request this is: retries carry no mark, but they carry the same body.

        After a stream was cut some agents ask for the same unstreamed; that is a retry too.
        """
        first, number = self._bodies.get(digest, ("", 0))
        if not first and self._failed:
            first, number = self._failed.get(_without_streaming(body), ("", 0))
        self._bodies[digest] = (first or identifier, number + 1)
        return Try(number + 1, first) if first else Try()

    def failed(self, identifier: str, body: bytes, tried: Try) -> None:
        """Remember a request that was not answered."""
        self._failed[_without_streaming(body)] = (tried.first or identifier, tried.number)

    def add(self, record: GatewayRecord) -> None:
        """Add a request that is over to the sums."""
        self.outcomes[record.outcome] += 1
        for call in record.tool_calls:
            self.tool_calls[call.name] += 1
        self._usage = _added(self._usage, record)

    def usage(self) -> Usage:
        """Return the sums so far. The cost is unknown as soon as that of one request is."""
        return self._usage

    @property
    def stopped(self) -> Outcome | None:
        """Why it was answered no more: `budget`, `limit`, or None when it was not refused."""
        return next((outcome for outcome in _STOPS if self.outcomes[outcome]), None)

    def close(self) -> None:
        """Close its record."""
        self.recorder.close()


def usage_of(records: Iterable[GatewayRecord]) -> Usage:
    """Return the sums over a trial's records. The cost is unknown as soon as that of one request is."""
    return reduce(_added, records, Usage(cost_usd=0.0, cost_source="metered"))


def tokens_of(record: GatewayRecord) -> int:
    """Return input and output together; 0 where they are not known."""
    return (record.input_tokens or 0) + (record.output_tokens or 0)


def side_requests(records: Iterable[GatewayRecord]) -> set[str]:
    """Return the ids of requests beside the conversation: titles, routers, commit messages.

    They offer the model no tools where the trial's other requests do; a trial without any tools has none.
    """
    asked = [record for record in records if record.operation in GENERATING]
    if not any(record.tools_offered for record in asked):
        return set()
    return {record.id for record in asked if not record.tools_offered}


def _without_streaming(body: bytes) -> str:
    return hashlib.sha256(_STREAMING.sub(b"", body).translate(None, _SEPARATORS)).hexdigest()


def _added(total: Usage, record: GatewayRecord) -> Usage:
    if record.operation not in GENERATING or record.outcome in UNSENT:
        return total
    known = total.cost_usd is not None and record.cost_usd is not None
    source = None
    if known:
        sources = {total.cost_source, record.cost_source or "metered"}
        source = next(one for one in _SOURCES if one in sources)
    return Usage(
        requests=total.requests + (record.outcome == "answered"),
        input_tokens=total.input_tokens + (record.input_tokens or 0),
        output_tokens=total.output_tokens + (record.output_tokens or 0),
        cache_read_tokens=total.cache_read_tokens + (record.cache_read_tokens or 0),
        cache_write_tokens=total.cache_write_tokens + (record.cache_write_tokens or 0),
        cost_usd=(total.cost_usd or 0.0) + (record.cost_usd or 0.0) if known else None,
        cost_source=source,
    )
