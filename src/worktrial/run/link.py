"""The gateway as agents see it: an endpoint an attempt, and what it recorded as they and their trajectories need it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from worktrial.agents import CONTROLS
from worktrial.agents.metered import AskedCall, Metered, Request, Stopped
from worktrial.agents.protocol import Endpoint
from worktrial.errors import InfrastructureError, UsageError
from worktrial.formats.gateway import UNSENT, Api, GatewayRecord, Outcome
from worktrial.formats.run import AgentConfig, RunRequest
from worktrial.gateway.configure import for_agents
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import read_records
from worktrial.gateway.server import Gateway, OpenTrial
from worktrial.gateway.trials import GENERATING, side_requests
from worktrial.run.budgets import Budgets
from worktrial.store.scratch import scratch_folder

_SOCKET = "gateway.sock"
_LONGEST_SOCKET = 107
"""Bytes of a unix socket's path, by Linux's `sockaddr_un`."""
_STOPS: Mapping[Outcome, Stopped] = {"budget": "budget", "limit": "limit"}


class GatewayLink:
    """Opens an endpoint of a running gateway for each attempt; `upstreams` are those agents are tied to, by name, and
    `budget` makes that of an attempt."""

    def __init__(
        self, gateway: Gateway, upstreams: Mapping[str, str], budget: Callable[[], Budget] = lambda: Budget(None)
    ) -> None:
        self._gateway = gateway
        self._upstreams = upstreams
        self._budget = budget

    @contextlib.asynccontextmanager
    async def listening(self, folder: Path, *, port: bool = False) -> AsyncIterator[None]:
        """Have the gateway listen in `folder`, or, where that has too long a path for a socket, elsewhere.

        `port` also has it listen on a port of the loopback that is free.
        """
        with contextlib.ExitStack() as stack:
            if len(os.fsencode(folder / _SOCKET)) > _LONGEST_SOCKET:
                folder = stack.enter_context(scratch_folder(Path("/tmp")))  # noqa: S108 - a private folder is made there
            await self._gateway.start(socket=folder / _SOCKET, port=0 if port else None)
            try:
                yield
            finally:
                await self._gateway.stop()

    @contextlib.asynccontextmanager
    async def endpoint(self, trial: str, config: AgentConfig, folder: Path) -> AsyncIterator[Endpoint]:
        """Open a trial whose record goes into `folder`. Raises `InfrastructureError` when the gateway does not run."""
        socket = self._gateway.socket
        if socket is None:
            raise InfrastructureError("the model gateway does not listen on a socket")
        opened = self._gateway.open(trial, folder, budget=self._budget(), upstream=self._upstreams.get(config.name))
        try:
            port = urlsplit(self._gateway.url).port if self._gateway.url else None
            yield Endpoint(socket=socket, path=opened.path, port=port, metered=_reader(opened, folder))
        finally:
            self._gateway.close(opened)
        if self._gateway.failure is not None:
            raise self._gateway.failure


def gateway_for(request: RunRequest, budgets: Budgets) -> GatewayLink | None:
    """Return the gateway of a run, which does not listen yet; None where no agent asks a model.

    A replay needs no server and no key. Raises `UsageError` for a model without a server, a key or, if there is a
    limit, a price.
    """
    replay = None if request.replay is None else Path(request.replay)
    asking = [config for config in request.agents if asks(config)]
    if not asking:
        return None
    config, tied = (request.gateway, {}) if replay is not None else for_agents(request.gateway, asking)
    gateway = Gateway(config, budget=budgets.run, agent_budgets=budgets.agents, replay=replay)
    if replay is None and budgets.bounded_in_usd:
        _check_prices(gateway, asking, tied)
    return GatewayLink(gateway, tied, budgets.trial)


def asks(config: AgentConfig) -> bool:
    """Return whether an agent asks a model; of other people's programs those that are given one."""
    return config.model is not None if config.kind == "command" else config.kind not in CONTROLS


def _check_prices(gateway: Gateway, agents: Sequence[AgentConfig], tied: Mapping[str, str]) -> None:
    for config in agents:
        model, upstream = config.model, tied.get(config.name)
        # By whichever protocol: a real agent speaks its own.
        if model is not None and not any(gateway.knows_price(api, model, upstream) for api in get_args(Api)):
            raise UsageError(
                "the budget could not be kept",
                cause=f"no price is known for model {config.model!r} of agent {config.name!r}",
                hint="give input_usd_per_mtok and output_usd_per_mtok for it in worktrial.toml, or no --budget",
            )


def _reader(opened: OpenTrial, folder: Path) -> Callable[[], Metered]:
    def read() -> Metered:
        records = sorted(read_records(folder), key=lambda record: record.id)
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
