"""A scripted model server, a gateway before it, and an agent that asks."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.tools.model_server import ModelServer, Script, Turn

from worktrial.formats.gateway import Api, GatewayConfig, GatewayRecord, PriceConfig, UpstreamConfig
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import read_trial
from worktrial.gateway.server import Gateway, OpenTrial

KEY = "sk-canary-0123456789abcdef"
APIS: tuple[Api, ...] = ("openai_chat", "openai_responses", "anthropic_messages", "gemini")
TOOL = {"name": "shell", "description": "Run.", "parameters": {"type": "object"}}
HEADERS = {"anthropic-version": "2023-06-01", "Authorization": "Bearer sk-dummy", "x-api-key": "sk-dummy"}


def asking(api: Api, prompt: str = "fix it", *, stream: bool = False, tools: bool = True) -> tuple[str, dict[str, Any]]:
    """Return path and body of a request."""
    if api == "openai_chat":
        body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": stream}
        return "/v1/chat/completions", body | ({"tools": [{"type": "function", "function": TOOL}]} if tools else {})
    if api == "openai_responses":
        body = {"model": "m", "input": prompt, "stream": stream}
        return "/v1/responses", body | ({"tools": [{"type": "function", **TOOL}]} if tools else {})
    if api == "anthropic_messages":
        body = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": prompt}], "stream": stream}
        return "/v1/messages", body | ({"tools": [{"name": "shell", "input_schema": {}}]} if tools else {})
    body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/m:{method}", body | ({"tools": [{"functionDeclarations": [TOOL]}]} if tools else {})


@dataclass(frozen=True)
class Answered:
    """What an agent got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Bench:
    """One model server and the gateways before it."""

    folder: Path
    session: aiohttp.ClientSession
    server: ModelServer = field(default_factory=lambda: ModelServer([]))
    gateways: list[Gateway] = field(default_factory=list)
    servers: list[ModelServer] = field(default_factory=list)

    async def serve(self, *turns: Turn, scripts: list[Script] | None = None, split: int = 0) -> ModelServer:
        """Start a model server that takes the key alone."""
        self.server = ModelServer(scripts or [Script(turns)], key=KEY, split=split)
        await self.server.start()
        self.servers.append(self.server)
        return self.server

    def config(self, url: str | None = None, upstream: Mapping[str, Any] | None = None, **more: Any) -> GatewayConfig:
        """Return a configuration with one upstream, `up`; a million tokens cost a dollar in and ten out."""
        one = {"base_url": f"{url or self.server.url}/v1", "apis": APIS, "key_env": "UP_KEY", **(upstream or {})}
        settings = {"prices": {"*": PriceConfig(input=1, output=10)}, **more}
        return GatewayConfig(upstreams={"up": UpstreamConfig.model_validate(one)}, **settings)

    async def gateway(self, config: GatewayConfig | None = None, **settings: Any) -> Gateway:
        """Start a gateway."""
        gateway = Gateway(config or self.config(), keys={"UP_KEY": KEY}, **settings)
        await gateway.start(port=0)
        self.gateways.append(gateway)
        return gateway

    def open(self, gateway: Gateway, trial: str = "agent/task/1", **more: Any) -> OpenTrial:
        """Open a trial whose record is in the folder of the run."""
        return gateway.open(trial, self.folder / "run/trials" / trial, **more)

    async def trial(self, *turns: Turn, budget: Budget | None = None, **settings: Any) -> tuple[Gateway, OpenTrial]:
        """Start server and gateway, and open a trial."""
        await self.serve(*turns)
        gateway = await self.gateway(self.config(**settings), budget=budget)
        return gateway, self.open(gateway)

    async def ask(
        self,
        gateway: Gateway,
        trial: OpenTrial,
        path: str,
        body: dict[str, Any] | bytes | None = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """Ask as an agent would. Raises what aiohttp does when the answer breaks off."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        data = io.BytesIO(raw) if raw and len(raw) > 10**6 else raw
        given = {"Content-Type": "application/json", **HEADERS, **(headers or {})}
        url = gateway.url + trial.path + path
        async with self.session.request(method, url, data=data, headers=given) as response:
            return Answered(response.status, response.headers, await response.read())

    def records(self, trial: str = "agent/task/1") -> list[GatewayRecord]:
        """Return what was recorded of a trial."""
        return read_trial(self.folder / "run/trials" / trial)[0]

    async def stop(self) -> None:
        """Stop everything."""
        for gateway in self.gateways:
            await gateway.stop()
        for server in self.servers:
            await server.stop()
