"""The gateway: starts, stops, and opens trials. It lives in the event loop of whoever starts it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from worktrial.errors import InfrastructureError, StorageError
from worktrial.formats.gateway import Api, GatewayConfig
from worktrial.gateway.limits import Account, Budget
from worktrial.gateway.proxy import Proxy
from worktrial.gateway.replay import Replay
from worktrial.gateway.routing import PREFIX, WIRES
from worktrial.gateway.transport import Live, Source
from worktrial.gateway.trials import TrialMeter
from worktrial.gateway.upstreams import Upstreams

_IDLE_S = 75.0
"""A connection on which no request has come for so long is closed, one that trickles its headers included."""
_SHUTDOWN_S = 1.0


@dataclass(frozen=True)
class OpenTrial:
    """A trial's way to its models, and what it asked so far."""

    path: str
    """What its base URL ends with, `/run/TOKEN`. The token is the only right to ask, spend and be recorded as this
    trial; it tells nothing about it."""
    meter: TrialMeter


class Gateway:
    """The recording reverse proxy."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        budget: Budget | None = None,
        agent_budgets: Mapping[str, Budget] | None = None,
        keys: Mapping[str, str] | None = None,
        replay: Path | None = None,
    ) -> None:
        """`budget` is the run's, `agent_budgets` are by the agent's name. `keys` by the names of variables; None: from
        the environment. `replay` is the folder of a run to answer from: no upstream and no key is needed or used.

        Raises `UsageError` for a configuration that cannot work, `FormatError` for a run without a record.
        """
        self._config = config if replay is None else config.model_copy(update={"upstreams": {}, "models": {}})
        self._upstreams = Upstreams(self._config, keys)
        self._replay = None if replay is None else Replay(replay)
        self._run = Account("run", budget or Budget(None))
        self._agents = {name: Account("agent", one) for name, one in (agent_budgets or {}).items()}
        self._trials: dict[str, TrialMeter] = {}
        self._source: Source | None = None
        self._proxy: Proxy | None = None
        self._runner: web.ServerRunner | None = None
        self.url = ""
        """Address on the loopback; empty when it does not listen there."""
        self.socket: Path | None = None

    async def start(self, *, socket: Path | None = None, port: int | None = None, host: str = "127.0.0.1") -> None:
        """Listen on a unix socket, on a TCP port (0: any that is free), or both. Raises `InfrastructureError`."""
        self._source = Live(self._config) if self._replay is None else self._replay
        self._proxy = Proxy(
            self._config, self._upstreams, self._trials, self._source, replaying=self._replay is not None
        )
        # Cancelling a handler whose agent has hung up closes the upstream's connection too: nobody pays for the rest.
        server = web.Server(
            self._proxy.handle,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_IDLE_S,
            lingering_time=1.0,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        try:
            if socket is not None:
                await web.UnixSite(self._runner, socket).start()
                socket.chmod(0o666)  # agents run as users of their own; the token is what lets them in
                self.socket = socket
            if port is not None:
                await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            raise InfrastructureError("the gateway cannot listen", cause=error.strerror or str(error)) from error
        for address in self._runner.addresses:
            if isinstance(address, tuple):
                self.url = f"http://{host}:{address[1]}"

    async def stop(self) -> None:
        """Break off what is under way, record it so, and close everything."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._source is not None:
            await self._source.close()
        for trial in list(self._trials.values()):
            trial.close()
        self._trials.clear()
        if self.socket is not None:
            self.socket.unlink(missing_ok=True)

    def open(
        self,
        trial: str,
        folder: Path,
        *,
        budget: Budget | None = None,
        upstream: str | None = None,
        token: str | None = None,
    ) -> OpenTrial:
        """Open a trial `agent/task/n` whose record goes into `folder`, and return its way in.

        `budget` is the trial's own; `upstream` the only one it may use. A record that is there already goes on, and
        what it cost is charged. `token` None: a fresh one. Raises `FormatError` for a record that cannot be read.
        """
        accounts = [self._run]
        if (agent := self._agents.get(trial.partition("/")[0])) is not None:
            accounts.append(agent)
        accounts.append(Account("trial", budget or Budget(None)))
        token = token or secrets.token_urlsafe(24)
        meter = TrialMeter(trial, token, folder, accounts, upstream)
        self._trials[token] = meter
        return OpenTrial(PREFIX + token, meter)

    def close(self, trial: OpenTrial) -> TrialMeter:
        """Close a trial: its token is worth nothing any more. Returns what it asked. Raises `StorageError`."""
        meter = self._trials.pop(trial.meter.token, trial.meter)
        meter.close()
        return meter

    def knows_price(self, api: Api, model: str, upstream: str | None = None) -> bool:
        """Whether a budget can bound requests for a model: its price is known where they go."""
        wire = next(one for one in WIRES if one.api == api)
        chosen = self._upstreams.choose(wire, model, upstream)
        return chosen is not None and chosen.upstream.prices(wire).known(chosen.model)

    @property
    def failure(self) -> StorageError | None:
        """Why nothing can be recorded any more, for whoever runs trials; None: all is well."""
        return None if self._proxy is None else self._proxy.failure
