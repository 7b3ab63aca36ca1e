"""Asking a model single questions, beside what rules and runs say: its answer is stored and decides nothing.

The model is asked through the gateway, which has the key and keeps the record; what is sent is redacted already.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from worktrial.agents.basic.anthropic_messages import AnthropicMessages
from worktrial.agents.basic.client import ModelClient, Retry
from worktrial.agents.basic.messages import Asked, ContextOverflow, ProviderError, parse_json
from worktrial.agents.basic.openai_chat import OpenAIChat
from worktrial.formats.base import now
from worktrial.formats.classification import ModelAnswer
from worktrial.formats.gateway import GatewayConfig
from worktrial.formats.run import AgentConfig
from worktrial.gateway.configure import for_agents
from worktrial.gateway.server import Gateway
from worktrial.store.journal import Journal
from worktrial.store.scratch import scratch_folder

_AT_ONCE = 4
_CONNECT_S, _ANSWER_S = 30.0, 300.0
_LONGEST_FOLDER = 60
"""Bytes of the path of the folder for temporary files; a socket's path holds some 100 in all."""

Answer = TypeVar("Answer", bound=ModelAnswer)
_Ask = Callable[[str], Awaitable[str]]
"""Gives the answer to a request. Raises `_NoAnswerError`."""


class _NoAnswerError(Exception):
    """A request that got no answer; says why."""


@dataclass(frozen=True)
class Judge:
    """A model, and the servers it may be asked at."""

    model: str
    gateway: GatewayConfig
    retry: Retry = field(default_factory=Retry)

    def config(self) -> AgentConfig:
        """Return the model as an agent's: Anthropic's models speak their own protocol."""
        api = "anthropic" if re.match(r"(?i)(?:anthropic/)?claude", self.model) else "openai"
        return AgentConfig(
            name="judge", kind="basic", model=self.model, api=api, max_output_tokens=1024, temperature=0.0
        )


async def ask_of_each(
    judge: Judge,
    instructions: str,
    requests: Mapping[str, str],
    *,
    topic: str,
    record: Path,
    answers: Journal[Answer],
    read: Callable[[str, str], dict[str, Any]],
    make: Callable[..., Answer],
    listen: Callable[[Answer], None],
) -> list[Answer]:
    """Ask about every candidate of `requests`, which has what to send by id, and append each answer to `answers`.

    `read` gives an answer's own fields from the id and what the model wrote, or raises `ValueError`; `make` the answer
    from those and the common ones. What was asked before in the same words is not asked again. A request that fails is
    noted as such and does not stop the others. The gateway keeps its record in `record`, where the requests are called
    `judge/TOPIC/1`. Raises `UsageError` when no server speaks for the model, `StorageError`.
    """
    known = {(one.of, one.request_sha256): one for one in answers if not one.error}
    async with _asking(judge, instructions, f"judge/{topic}/1", record) as ask:

        async def one(of: str, request: str) -> Answer:
            digest = hashlib.sha256(f"{judge.model}\0{instructions}\0{request}".encode()).hexdigest()
            if (before := known.get((of, digest))) is not None:
                return before
            try:
                said = read(of, await ask(request))
            except _NoAnswerError as error:
                said = {"error": str(error)}
            except ValueError as error:
                said = {"error": f"not an answer: {error}"}
            answer = make(of=of, at=now(), model=judge.model, request_sha256=digest, **said)
            answers.append(answer)
            listen(answer)
            return answer

        return list(await asyncio.gather(*(one(of, request) for of, request in requests.items())))


@asynccontextmanager
async def _asking(judge: Judge, instructions: str, name: str, record: Path) -> AsyncIterator[_Ask]:
    """Give a way to ask a model, four requests at a time; the gateway keeps its record in `record`.

    `name` is what the requests are called there. Raises `UsageError` when no server speaks for the model.
    """
    config = judge.config()
    servers, tied = for_agents(judge.gateway, [config])
    gateway = Gateway(servers)
    places = asyncio.Semaphore(_AT_ONCE)
    long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER
    with scratch_folder(Path("/tmp") if long else None) as folder:  # noqa: S108 - a private folder is made there
        await gateway.start(socket=folder / "gateway.sock")
        opened = gateway.open(name, record, upstream=tied.get(config.name))
        connector = aiohttp.UnixConnector(str(gateway.socket))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_ANSWER_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

                async def ask(request: str) -> str:
                    client = ModelClient(
                        session,
                        config,
                        AnthropicMessages() if config.api == "anthropic" else OpenAIChat(),
                        base_url=f"http://gateway{opened.path}/v1",
                        token=opened.meter.token,
                        retry=judge.retry,
                        note=lambda _: None,
                    )
                    async with places:
                        try:
                            return (await client.ask(instructions, [Asked(request)], [])).text
                        except ProviderError as error:
                            raise _NoAnswerError(f"{error.code}: {error}") from error
                        except ContextOverflow as error:
                            raise _NoAnswerError(f"too long: {error}") from error

                yield ask
        finally:
            gateway.close(opened)
            await gateway.stop()


def the_object(text: str) -> dict[str, Any]:
    """Return the JSON object in an answer, without what stands around it. Raises `ValueError`."""
    found = re.search(r"\{[\s\S]*\}", text)
    if found is None:
        raise ValueError("no JSON object in it")
    try:
        said: dict[str, Any] = parse_json(found[0])
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from None
    return said
