"""Asking a model server through the gateway: one request, tried again while that may help."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from worktrial.agents.basic.messages import (
    ContextOverflow,
    MalformedReply,
    Message,
    ProviderError,
    Reply,
    ToolSpec,
    Wire,
    parse_json,
)
from worktrial.formats.run import AgentConfig

_MAX_ANSWER = 32 * 1024 * 1024
_AGAIN = frozenset({408, 409, 425, 429})
"""Statuses that pass, besides 5xx."""
_HINTS = {
    401: "the server did not take the key: check the variable that key_env names",
    403: "the key may not use this model: check its permissions",
    404: "check base_url and the model's name",
}
_OVERFLOW = ("context_length_exceeded", "context length", "context window", "prompt is too long", "too many tokens")


@dataclass(frozen=True)
class Retry:
    """How often and how long to try again."""

    tries: int = 5
    first_s: float = 1.0
    """Wait before the second try; doubled each time."""
    longest_s: float = 60.0
    """No single wait is longer, whatever the server asks for."""

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Return how long to wait after so many failures: what the server asked for, else backoff with jitter."""
        if asked_s is not None:
            return min(asked_s, self.longest_s)
        # Trials that were turned away together must not come back together.
        jitter = random.uniform(1.0, 1.25)  # noqa: S311 - no secret
        return min(self.first_s * 2.0 ** (failures - 1) * jitter, self.longest_s)


class _Passing(Exception):  # noqa: N818 - it never leaves this module
    """A failure that may pass."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.wait_s = wait_s


class ModelClient:
    """Requests of one attempt to one model."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        config: AgentConfig,
        wire: Wire,
        *,
        base_url: str,
        token: str,
        retry: Retry,
        note: Callable[[str], None],
    ) -> None:
        self._session = session
        self._config = config
        self._wire = wire
        self._url = wire.url(base_url)
        self._token = token
        self._retry = retry
        self._note = note

    async def ask(self, system: str, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        """Return the model's reply. Raises `ProviderError` and `ContextOverflow`."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                reply = await self._once(self._wire.body(self._config, system, messages, tools))
            except _Passing as problem:
                failures += 1
                what = problem.what
                self._note(f"request failed ({failures} of {self._retry.tries}): {what}")
                if failures >= self._retry.tries:
                    raise ProviderError(
                        "provider_error", "the model server gave no answer", cause=f"{what}, {failures} times"
                    ) from None
                await asyncio.sleep(self._retry.wait_s(failures, problem.wait_s))
            else:
                if reply is not None:
                    self._note(f"reply after {time.monotonic() - started:.1f} s, {_tokens(reply)}")
                    return reply

    async def _once(self, body: dict[str, Any]) -> Reply | None:
        """Make one request. None: the server wants it in another form, which the wire has now taken on."""
        try:
            async with self._session.post(
                self._url, json=body, headers=self._wire.headers(self._token), allow_redirects=False
            ) as response:
                raw = await _read(response)
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Passing(f"no connection: {error or type(error).__name__}") from None
        text = raw.decode("utf-8", "replace")
        if status == 200:
            return self._read_reply(text)
        problem = f"status {status}: {_message(text)}"
        if status in _AGAIN or status >= 500:
            raise _Passing(problem, _asked_wait_s(headers.get("retry-after"), headers.get("retry-after-ms")))
        if status in (400, 413, 422) and any(mark in text.lower() for mark in _OVERFLOW):
            raise ContextOverflow(problem)
        if status == 400 and self._wire.adapt(text):
            self._note("the server wants the output limit under its other name")
            return None
        raise ProviderError(
            "provider_refused", "the model server refused the request", cause=problem, hint=_HINTS.get(status, "")
        )

    def _read_reply(self, text: str) -> Reply:
        try:
            body = parse_json(text)
        except ValueError as error:
            raise _Passing(f"the answer is not JSON: {error}") from None
        if not isinstance(body, dict):
            raise _Passing("the answer is not a JSON object")
        try:
            return self._wire.reply(body)
        except MalformedReply as error:
            raise _Passing(f"malformed answer: {error}") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole answer, unless it is absurdly long."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        data += chunk
        if len(data) > _MAX_ANSWER:
            raise _Passing(f"the answer is longer than {_MAX_ANSWER} bytes")
    return bytes(data)


def _message(text: str) -> str:
    """Return what an error's body says, in one line of at most 300 characters."""
    try:
        body = parse_json(text)
        error = body.get("error", body)
        said = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        said = text
    return " ".join(str(said).split())[:300] or "no message"


def _asked_wait_s(seconds: str | None, milliseconds: str | None) -> float | None:
    """Return for how long the server wants to be left alone: seconds, a date, or the milliseconds some send."""
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if seconds is None else max(0.0, float(seconds))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(seconds or "")
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _tokens(reply: Reply) -> str:
    if reply.usage is None:
        return "tokens unknown"
    return f"{reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out"
