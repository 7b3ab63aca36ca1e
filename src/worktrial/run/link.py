"""The gateway as agents see it: an endpoint an attempt, and what it recorded as they and their trajectories need it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from worktrial.agents.metered import AskedCall, Metered, Request, Stopped
from worktrial.agents.protocol import Endpoint
from worktrial.errors import InfrastructureError
from worktrial.formats.gateway import UNSENT, GatewayRecord, Outcome
from worktrial.formats.run import AgentConfig
from worktrial.gateway.recording import read_trial
from worktrial.gateway.server import Gateway, OpenTrial
from worktrial.gateway.trials import GENERATING, side_requests

_STOPS: Mapping[Outcome, Stopped] = {"budget": "budget", "limit": "limit"}


class GatewayLink:
    """Opens an endpoint of a running gateway for each attempt; `upstreams` are those agents are tied to, by name."""

    def __init__(self, gateway: Gateway, upstreams: Mapping[str, str]) -> None:
        self._gateway = gateway
        self._upstreams = upstreams

    @contextlib.asynccontextmanager
    async def endpoint(self, trial: str, config: AgentConfig, folder: Path) -> AsyncIterator[Endpoint]:
        """Open a trial whose record goes into `folder`. Raises `InfrastructureError` when the gateway does not run."""
        socket = self._gateway.socket
        if socket is None:
            raise InfrastructureError("the model gateway does not listen on a socket")
        opened = self._gateway.open(trial, folder, upstream=self._upstreams.get(config.name))
        try:
            yield Endpoint(socket=socket, path=opened.path, metered=_reader(opened, folder))
        finally:
            self._gateway.close(opened)


def _reader(opened: OpenTrial, folder: Path) -> Callable[[], Metered]:
    def read() -> Metered:
        records, _ = read_trial(folder)
        stopped = opened.meter.stopped
        return Metered(requests_of(records), _STOPS.get(stopped, "") if stopped else "")

    return read


def requests_of(records: Sequence[GatewayRecord]) -> tuple[Request, ...]:
    """Return what was asked of models, in the order it came; questions that generate nothing are left out."""
    side = side_requests(records)
    return tuple(_request(record, side) for record in records if record.operation in GENERATING)


def _request(record: GatewayRecord, side: set[str]) -> Request:
    broken = record.outcome in ("cut", "malformed", "stream_error", "client_gone", "gateway_killed")
    return Request(
        status=None if broken or record.outcome in ("upstream_down", "upstream_timeout") else record.status,
        started_at=record.at,
        model=record.response_model or record.request_model,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cache_read_tokens=record.cache_read_tokens,
        cache_write_tokens=record.cache_write_tokens,
        cost_usd=0.0 if record.outcome in UNSENT else record.cost_usd,
        side=record.id in side,
        calls=tuple(AskedCall(call.id, call.name) for call in record.tool_calls),
        error=record.error,
    )
