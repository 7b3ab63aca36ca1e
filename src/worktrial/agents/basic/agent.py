"""The basic agent: settings checked when it is made; its model is behind the gateway."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp

from worktrial.agents.basic import anthropic_messages, openai_chat
from worktrial.agents.basic.client import ModelClient, Retry
from worktrial.agents.basic.loop import Loop
from worktrial.agents.basic.messages import Wire
from worktrial.agents.basic.record import Record
from worktrial.agents.basic.tools import Toolbox, Tools
from worktrial.agents.basic.verify_tools import VerifyTools
from worktrial.agents.metered import Metered, merge, totals, usage
from worktrial.agents.protocol import Attempt, Endpoint, Outcome
from worktrial.errors import UsageError
from worktrial.formats.run import AgentConfig
from worktrial.gateway.configure import own_prices
from worktrial.store.files import writing

_WIRES: dict[str, type[Wire]] = {
    "openai": openai_chat.OpenAIChat,
    "anthropic": anthropic_messages.AnthropicMessages,
}
"""By `api`."""
_CONNECT_S = 30.0
_ANSWER_S = 600.0
"""Seconds without a byte until a request counts as failed: unstreamed answers come whole."""


class Basic:
    """A small tool loop over any OpenAI-compatible or Anthropic endpoint. The loop runs here, its tools in the sandbox.

    `window` is the estimated number of tokens beyond which old tool outputs are cut.
    """

    def __init__(self, config: AgentConfig, *, retry: Retry | None = None, window: int = 100_000) -> None:
        _check(config)
        self.config = config
        self._retry = retry or Retry()
        self._window = window

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Work on the task; the model is asked by the gateway, whose record says what that used and cost."""
        if attempt.gateway is None:
            return Outcome("infrastructure", cause="no_gateway", detail="there is no model gateway for it")
        log = attempt.logs / "agent.log"
        with writing(log):
            log.unlink(missing_ok=True)
        async with attempt.gateway.endpoint(attempt.trial, self.config, attempt.logs.parent) as endpoint:
            outcome = await self._work(attempt, endpoint, Record(log))
            return _metered(outcome, endpoint.metered())

    async def _work(self, attempt: Attempt, endpoint: Endpoint, record: Record) -> Outcome:
        config = self.config
        connector = aiohttp.UnixConnector(str(endpoint.socket))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_ANSWER_S)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            client = ModelClient(
                session,
                config,
                _WIRES[config.api](),
                base_url=f"http://gateway{endpoint.path}/v1",
                token=endpoint.token,
                retry=self._retry,
                note=record.note,
            )
            tools = self.tools(attempt)
            return await Loop(config, attempt, tools=tools, client=client, record=record, window=self._window).run()

    def tools(self, attempt: Attempt) -> Tools:
        """Return the tools of one attempt."""
        if self.config.verify:
            return VerifyTools(attempt.workspace, attempt.env, attempt.mounts, attempt.checks)
        return Toolbox(attempt.workspace, attempt.env, attempt.mounts)


def _metered(outcome: Outcome, metered: Metered) -> Outcome:
    """Return the outcome with the gateway's counts in the place of the loop's own."""
    trajectory = outcome.trajectory
    if trajectory is not None:
        steps = merge(trajectory.steps, metered.requests)
        update = {"steps": steps, "final_metrics": totals(metered.requests, steps)}
        trajectory = trajectory.model_copy(update=update)
    outcome = replace(outcome, usage=usage(metered.requests), trajectory=trajectory)
    if metered.stopped and outcome.cause == "provider_refused":
        cause = "budget_exhausted" if metered.stopped == "budget" else "gateway_limit"
        return replace(outcome, ended=metered.stopped, cause=cause)
    return outcome


def _check(config: AgentConfig) -> None:
    """Raise `UsageError` for what cannot work."""
    if not config.model:
        raise UsageError(f"agent {config.name} has no model", hint="name one: --agent basic:MODEL")
    own_prices(config)
    if config.base_url is None:
        return
    parts = urlsplit(config.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"the base URL of agent {config.name} is no http address", hint="e.g. http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"the base URL of agent {config.name} holds credentials or a query",
            cause="it is written down in the run's files",
            hint="put the key into an environment variable and name that in key_env",
        )
