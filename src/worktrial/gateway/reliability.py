"""How reliable each provider was: what a run's records say of rate limits, errors, cuts and malformed tool calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from worktrial.formats.gateway import UNSENT, GatewayRecord, Outcome
from worktrial.gateway.trials import GENERATING

FAILED: tuple[Outcome, ...] = (
    "rate_limited",
    "provider_error",
    "upstream_down",
    "upstream_timeout",
    "upstream_endless",
    "cut",
    "malformed",
    "stream_error",
)
"""Outcomes that are the provider's failure, its limits included."""


@dataclass(frozen=True)
class Reliability:
    """What a provider did with the requests for generation that went to it."""

    upstream: str
    provider: str
    requests: int
    answered: int
    outcomes: dict[Outcome, int]
    """All outcomes by number, `answered` included."""
    tool_calls: int
    malformed_tool_calls: int
    retries: int
    first_byte_s_p50: float | None
    """Of those answered; None: of none."""

    @property
    def error_rate(self) -> float | None:
        """Share of requests that the provider failed at, its limits included; None: it had none."""
        failed = sum(self.outcomes.get(outcome, 0) for outcome in FAILED)
        return failed / self.requests if self.requests else None


def reliability(records: Iterable[GatewayRecord]) -> list[Reliability]:
    """Return one entry for each upstream that was asked, by name. Replayed requests went to nobody and do not count."""
    groups: dict[tuple[str, str], list[GatewayRecord]] = {}
    for record in records:
        if record.operation in GENERATING and record.outcome not in UNSENT and not record.replayed:
            groups.setdefault((record.upstream, record.provider), []).append(record)
    return [_of(upstream, provider, group) for (upstream, provider), group in sorted(groups.items())]


def _of(upstream: str, provider: str, records: list[GatewayRecord]) -> Reliability:
    outcomes = Counter(record.outcome for record in records)
    calls = [call for record in records for call in record.tool_calls]
    times = sorted(
        record.first_byte_s for record in records if record.outcome == "answered" and record.first_byte_s is not None
    )
    return Reliability(
        upstream=upstream,
        provider=provider,
        requests=len(records),
        answered=outcomes["answered"],
        outcomes=dict(outcomes),
        tool_calls=len(calls),
        malformed_tool_calls=sum(call.malformed for call in calls),
        retries=sum(record.try_number > 1 for record in records),
        first_byte_s_p50=times[len(times) // 2] if times else None,
    )
