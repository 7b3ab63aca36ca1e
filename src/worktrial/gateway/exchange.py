"""One request on its way through the gateway, and the record it leaves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from worktrial.formats.gateway import UNSENT, GatewayRecord, Outcome, RequestBegun, ToolAsked
from worktrial.gateway.limits import Hold
from worktrial.gateway.prices import Cost
from worktrial.gateway.reading import Asked, Meter, Tokens
from worktrial.gateway.routing import Route
from worktrial.gateway.trials import GENERATING, TrialMeter, Try
from worktrial.gateway.upstreams import Upstream

_BYTES_A_TOKEN = 4
_KEPT_HEADERS = ("content-type", "retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id")
_BY_STATUS: dict[int, Outcome] = {401: "provider_auth", 403: "provider_auth", 404: "unknown_model"}
_UNBILLED: frozenset[Outcome] = UNSENT | {
    "rate_limited",
    "provider_error",
    "provider_refused",
    "provider_auth",
    "unknown_model",
    "upstream_down",
}
"""Outcomes for which nobody is paid."""


class Refusal(Exception):  # noqa: N818 - it is answered, never shown as an error of ours
    """The gateway answers a request itself, and why."""

    def __init__(self, outcome: Outcome, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.outcome: Outcome = outcome
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass
class Exchange:
    """Everything about one request, as far as it is known by now."""

    trial: TrialMeter
    route: Route
    method: str
    path: str
    query: str
    id: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.perf_counter)
    body: bytes = b""
    """As it came, decoded."""
    sent: bytes = b""
    """As it goes on."""
    asked: Asked | None = None
    changes: list[str] = field(default_factory=list)
    upstream: Upstream | None = None
    upstream_model: str = ""
    tried: Try = field(default_factory=Try)
    hold: Hold | None = None
    outcome: Outcome | None = None
    error: str = ""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    meter: Meter | None = None
    answer: list[bytes] = field(default_factory=list)
    """What the agent was sent."""
    answer_bytes: int = 0
    queued_s: float = 0.0
    sent_at: float | None = None
    first_byte: float | None = None
    request_digest: str = ""
    sent_digest: str = ""
    response_digest: str = ""
    passed_on: bool = False
    """Whether the agent has the whole answer."""
    recorded: GatewayRecord | None = None
    """What it is answered from, in a replay."""

    @property
    def generates(self) -> bool:
        """Whether it asks a model to generate something."""
        return self.route.operation in GENERATING

    def begun(self) -> RequestBegun:
        """Return what is noted before it is sent on."""
        upstream = self.upstream
        return RequestBegun(
            id=self.id,
            at=self.at,
            api=self.route.wire.api,
            operation=self.route.operation,
            path=self.path,
            upstream="" if upstream is None else upstream.name,
            provider="" if upstream is None else upstream.provider(self.route.wire),
            request_model="" if self.asked is None else self.asked.model,
            stream=self.asked is not None and self.asked.stream,
            body_bytes=len(self.body),
            tools_offered=0 if self.asked is None else self.asked.tools,
        )

    def note_answer(self, data: bytes) -> None:
        """Note a piece of the answer that the agent was sent."""
        self.answer.append(data)
        self.answer_bytes += len(data)

    def conclude(self) -> None:
        """Decide on the outcome by what is known, when nothing else did."""
        reading = None if self.meter is None else self.meter.finish()
        if self.outcome is not None:
            return
        self.outcome = outcome_of(self.status)
        if self.outcome != "answered" or reading is None:
            self.error = self.error or ("" if reading is None else reading.error)
            return
        if reading.error:
            self.outcome, self.error = "stream_error", reading.error
        elif not reading.complete:
            streamed = self.asked is not None and self.asked.stream
            self.outcome = "cut" if streamed and not reading.malformed else "malformed"
            self.error = "the answer ended before its end" if self.outcome == "cut" else "the answer cannot be read"

    def record(self, cost: Cost, tokens: Tokens | None, *, estimated: bool) -> GatewayRecord:
        """Return the line for `gateway.jsonl`. The outcome is decided by now."""
        asked, wire = self.asked or Asked("", stream=False), self.route.wire
        reading = None if self.meter is None else self.meter.reading
        recorded, upstream = self.recorded, self.upstream
        names = ("", "") if upstream is None else (upstream.name, upstream.provider(wire))
        if recorded is not None:
            names = (recorded.upstream, recorded.provider)
        return GatewayRecord.model_construct(
            format="worktrial/gateway@1",
            id=self.id,
            at=self.at.replace(microsecond=self.at.microsecond // 1000 * 1000),
            trial=self.trial.trial,
            agent=self.trial.agent,
            api=wire.api,
            operation=self.route.operation,
            path=self.path,
            upstream=names[0],
            provider=names[1],
            request_model=asked.model,
            response_model="" if reading is None else reading.model,
            stream=asked.stream,
            status=self.status,
            outcome=self.outcome or "answered",
            error=self.error[:300],
            finish_reasons=() if reading is None else tuple(reading.finish_reasons),
            **_usage(tokens, estimated=estimated),
            raw_usage=None if reading is None else reading.raw_usage,
            cost_usd=cost.usd,
            cost_source=cost.source,
            prices=cost.prices,
            queued_s=round(self.queued_s, 4),
            first_byte_s=self._since(self.began, self.first_byte),
            first_chunk_s=self._since(self.sent_at, self.first_byte) if asked.stream else None,
            total_s=self._since(self.began, time.perf_counter()),
            tools_offered=asked.tools,
            tool_calls=()
            if reading is None
            else tuple(ToolAsked(id=call.id, name=call.name, malformed=call.malformed) for call in reading.calls),
            try_number=self.tried.number,
            retry_of=self.tried.first,
            changes=tuple(self.changes),
            request_body=self.request_digest,
            sent_body=self.sent_digest,
            response_body=self.response_digest,
            response_headers=kept_headers(self.headers),
            replayed=recorded is not None,
        )

    def tokens(self) -> tuple[Tokens | None, bool]:
        """Return what it used, and whether that is an estimate.

        Where the provider said, that holds. Of an answer that broke off, what it said by then holds, and of the rest
        the length is counted, at four bytes a token. Nothing was used by a request that nobody answered.
        """
        reading = None if self.meter is None else self.meter.reading
        if not self.generates or self.outcome in _UNBILLED:
            return None, False
        if reading is not None and reading.tokens is not None and (reading.final or self.outcome == "answered"):
            return reading.tokens, False
        if self.outcome == "answered":
            return None, False  # whole, and it does not say: unknown
        said = None if reading is None else reading.tokens
        output = 0 if reading is None else -(-reading.characters() // _BYTES_A_TOKEN)
        if said is None:
            return Tokens(-(-len(self.sent) // _BYTES_A_TOKEN), output), True
        return replace(said, output=max(said.output, output)), True

    def cost(self, tokens: Tokens | None, *, estimated: bool) -> Cost:
        """Return what it cost; in a replay what it cost when it was recorded."""
        if self.recorded is not None:
            return Cost(self.recorded.cost_usd, self.recorded.cost_source, self.recorded.prices)
        if self.outcome in _UNBILLED or not self.generates:
            return Cost(0.0, "metered")
        if self.upstream is None:
            return Cost(None)
        reading = None if self.meter is None else self.meter.reading
        prices = self.upstream.prices(self.route.wire)
        model = self.upstream_model or (self.asked.model if self.asked else "")
        reported = None if reading is None else reading.cost_usd
        return prices.cost(model, tokens, estimated=estimated, reported=reported)

    def _since(self, start: float | None, end: float | None) -> float | None:
        return None if start is None or end is None else round(end - start, 5)


def outcome_of(status: int | None) -> Outcome:
    """Return what a status means."""
    if status is None:
        return "cut"
    if 200 <= status < 300:
        return "answered"
    if status == 429:
        return "rate_limited"
    if status >= 500:
        return "provider_error"
    return _BY_STATUS.get(status, "provider_refused")


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an answer that a record keeps."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return {name: lowered[name] for name in _KEPT_HEADERS if name in lowered}


def _usage(tokens: Tokens | None, *, estimated: bool) -> dict[str, Any]:
    if tokens is None:
        return {}
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cache_read_tokens": tokens.cache_read,
        "cache_write_tokens": tokens.cache_write,
        "reasoning_tokens": tokens.reasoning,
        "usage_source": "estimated" if estimated else "metered",
    }
