"""The gateway as agents see it: an endpoint an attempt, and what it recorded as they and their trajectories need it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from worktrial.agents.metered import AskedCall, Metered, Request, Stopped
from worktrial.agents.protocol import Endpoint
from worktrial.errors import InfrastructureError, UsageError
from worktrial.formats.gateway import UNSENT, Api, GatewayRecord, Outcome
from worktrial.formats.run import AgentConfig, RunRequest
from worktrial.formats.trial import Trial
from worktrial.gateway.configure import for_agents
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import RECORDS, read_records
from worktrial.gateway.server import Gateway, OpenTrial
from worktrial.gateway.trials import GENERATING, side_requests
from worktrial.store.files import read_model
from worktrial.store.scratch import scratch_folder

_WITHOUT_MODEL = ("oracle", "nop", "command")
_BUILT_IN = ("basic", "ide")
"""Kinds whose model is asked under the name it is configured by; a real agent may ask others beside."""
_SOCKET = "gateway.sock"
_LONGEST_SOCKET = 107
"""Bytes of a unix socket's path, by Linux's `sockaddr_un`."""
_STOPS: Mapping[Outcome, Stopped] = {"budget": "budget", "limit": "limit"}


class GatewayLink:
    """Opens an endpoint of a running gateway for each attempt; `upstreams` are those agents are tied to, by name."""

    def __init__(self, gateway: Gateway, upstreams: Mapping[str, str]) -> None:
        self._gateway = gateway
        self._upstreams = upstreams

    @contextlib.asynccontextmanager
    async def listening(self, folder: Path) -> AsyncIterator[None]:
        """Have the gateway listen in `folder`, or, where that has too long a path for a socket, elsewhere."""
        with contextlib.ExitStack() as stack:
            if len(os.fsencode(folder / _SOCKET)) > _LONGEST_SOCKET:
                folder = stack.enter_context(scratch_folder(Path("/tmp")))  # noqa: S108 - a private folder is made there
            await self._gateway.start(socket=folder / _SOCKET)
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
        opened = self._gateway.open(trial, folder, upstream=self._upstreams.get(config.name))
        try:
            yield Endpoint(socket=socket, path=opened.path, metered=_reader(opened, folder))
        finally:
            self._gateway.close(opened)


def gateway_for(request: RunRequest, budget: Budget) -> GatewayLink | None:
    """Return the gateway of a run, which does not listen yet; None where no agent asks a model. `budget` is the run's.

    A replay needs no server and no key. Raises `UsageError` for a model without a server, a key or, if there is a
    limit, a price.
    """
    replay = None if request.replay is None else Path(request.replay)
    asking = [config for config in request.agents if config.kind not in _WITHOUT_MODEL]
    if not asking:
        return None
    config, tied = (request.gateway, {}) if replay is not None else for_agents(request.gateway, asking)
    gateway = Gateway(config, budget=budget, replay=replay)
    if replay is None and budget.limit_usd is not None:
        _check_prices(gateway, asking, tied)
    return GatewayLink(gateway, tied)


def _check_prices(gateway: Gateway, agents: Sequence[AgentConfig], tied: Mapping[str, str]) -> None:
    for config in agents:
        api: Api = "anthropic_messages" if config.api == "anthropic" else "openai_chat"
        if config.kind not in _BUILT_IN or config.model is None:
            continue
        if not gateway.knows_price(api, config.model, tied.get(config.name)):
            raise UsageError(
                "the budget could not be kept",
                cause=f"no price is known for model {config.model!r} of agent {config.name!r}",
                hint="give input_usd_per_mtok and output_usd_per_mtok for it in worktrial.toml, or no --budget",
            )


def spent(attempts: Iterable[Path]) -> float:
    """Return what some attempts cost as far as it is known, USD: by the gateway's record, whether or not they came to
    their end, else as the trial says."""
    total = 0.0
    for folder in attempts:
        if (folder / RECORDS).exists():
            total += sum(record.cost_usd or 0.0 for record in read_records(folder) if not record.replayed)
        elif (folder / "trial.json").exists():
            total += read_model(folder / "trial.json", Trial, "trial").usage.cost_usd or 0.0
    return total


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
