"""The basic agent: settings checked when it is made, the key read when it is tried."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import aiohttp

from worktrial.agents.basic import anthropic_messages, openai_chat
from worktrial.agents.basic.client import ModelClient, Retry
from worktrial.agents.basic.loop import Loop
from worktrial.agents.basic.messages import Wire
from worktrial.agents.basic.record import Record
from worktrial.agents.basic.tools import Toolbox, Tools
from worktrial.agents.prices import check_prices
from worktrial.agents.protocol import Attempt, Outcome
from worktrial.errors import UsageError
from worktrial.formats.run import AgentConfig
from worktrial.store.files import writing

_WIRES: dict[str, tuple[type[Wire], str, str]] = {
    "openai": (openai_chat.OpenAIChat, openai_chat.DEFAULT_URL, "OPENAI_API_KEY"),
    "anthropic": (anthropic_messages.AnthropicMessages, anthropic_messages.DEFAULT_URL, "ANTHROPIC_API_KEY"),
}
"""By `api`: the wire, the vendor's own address, and the variable its key is usually in."""
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
        _key(config)

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Work on the task. Raises `UsageError` when the key has gone from the environment meanwhile."""
        config = self.config
        wire, vendor_url, _ = _WIRES[config.api]
        log = attempt.logs / "agent.log"
        with writing(log):
            log.unlink(missing_ok=True)
        record = Record(log)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_ANSWER_S)
        # trust_env: the proxies that companies put into HTTPS_PROXY.
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            client = ModelClient(
                session,
                config,
                wire(),
                base_url=config.base_url or vendor_url,
                key=_key(config),
                retry=self._retry,
                note=record.note,
            )
            tools = self.tools(attempt)
            return await Loop(config, attempt, tools=tools, client=client, record=record, window=self._window).run()

    def tools(self, attempt: Attempt) -> Tools:
        """Return the tools of one attempt."""
        return Toolbox(attempt.workspace, attempt.env, attempt.mounts)


def _check(config: AgentConfig) -> None:
    """Raise `UsageError` for what cannot work."""
    if not config.model:
        raise UsageError(f"agent {config.name} has no model", hint="name one: --agent basic:MODEL")
    check_prices(config)
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


def _key(config: AgentConfig) -> str | None:
    """Return the key from the environment; None for a server of one's own that was given none.

    The vendor's usual variable is read only for the vendor's own address: a key must not go to a server by accident.
    """
    _, _, usual = _WIRES[config.api]
    variable = config.key_env or (usual if config.base_url is None else None)
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UsageError(
            f"agent {config.name} has no key",
            cause=f"the environment variable {variable} is not set",
            hint=f"export {variable}=…, or name another variable in key_env",
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"the key in {variable} is no key", cause="it has characters no HTTP header takes")
    return key
