"""Asking an upstream, and the ways in which that fails."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

import aiohttp
from yarl import URL

from worktrial.formats.gateway import GatewayConfig, Outcome
from worktrial.gateway.exchange import Exchange
from worktrial.gateway.upstreams import passed_back

_KEEP_ALIVE_S = 4.0
"""Less than the five seconds after which many servers close an idle connection: a request into one that is being
closed would fail."""
_LONG = 512 * 1024
_OWN_HEADERS = ("User-Agent", "Accept", "Content-Type", "Accept-Encoding")


class UpstreamFailure(Exception):  # noqa: N818 - it becomes an answer and a record
    """An upstream gave no answer, or no whole one."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome: Outcome = outcome
        self.message = message


class Answer(Protocol):
    """The answer to a request, as it comes in."""

    status: int
    headers: dict[str, str]
    """Without those of the connection."""
    length: int | None
    """Bytes of the body; None when it is not known beforehand."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises `UpstreamFailure`."""
        ...

    def close(self) -> None:
        """Give it up, or be done with it."""
        ...


class Source(Protocol):
    """Where answers come from: the provider, or the record of an earlier run."""

    async def ask(self, exchange: Exchange, headers: Iterable[tuple[str, str]]) -> Answer:
        """Send a request on; `headers` are the agent's. Raises `UpstreamFailure` and `Refusal`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Live:
    """The providers themselves."""

    def __init__(self, config: GatewayConfig) -> None:
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=config.connect_timeout_s, sock_read=config.read_timeout_s
        )
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
            skip_auto_headers=_OWN_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def ask(self, exchange: Exchange, headers: Iterable[tuple[str, str]]) -> Answer:
        """Send a request to its upstream, and return when the headers of the answer are there."""
        upstream, wire = exchange.upstream, exchange.route.wire
        if upstream is None:
            raise UpstreamFailure("upstream_down", "no upstream was chosen")
        try:
            response = await self._session.request(
                exchange.method,
                URL(upstream.url(wire, exchange.path, exchange.query), encoded=True),
                data=_payload(exchange.sent),
                headers=upstream.headers(wire, headers),
                allow_redirects=False,
                proxy=upstream.proxy,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _failure(error) from None
        return _LiveAnswer(response)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class _LiveAnswer:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = passed_back(response.headers.items())
        # Where the upstream encodes although it was asked not to, the body is decoded on the way.
        encoded = "Content-Encoding" in response.headers
        self.length = None if encoded else response.content_length

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            failure = _failure(error)
            if failure.outcome == "upstream_down":
                failure = UpstreamFailure("cut", failure.message)
            raise failure from None

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end: then it is used again."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _payload(body: bytes) -> bytes | io.BytesIO | None:
    """Return a body as it is sent: a long one in pieces, so that others get their turn."""
    return io.BytesIO(body) if len(body) > _LONG else body or None


def _failure(error: Exception) -> UpstreamFailure:
    """Return what a failure is by name; its words name no address with a key in it, as ours have none."""
    words = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, TimeoutError):
        connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
        return UpstreamFailure(
            "upstream_down" if connecting else "upstream_timeout", f"the upstream is silent: {words}"
        )
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        return UpstreamFailure("upstream_down", f"no connection to the upstream: {words}")
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamFailure("malformed", f"the upstream does not speak HTTP: {words}")
    return UpstreamFailure("cut", f"the upstream broke the connection: {words}")
