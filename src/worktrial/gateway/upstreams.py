"""The model servers: their addresses, keys, prices and pace, and which of them a request goes to."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urlencode, urlsplit

from worktrial.errors import UsageError
from worktrial.formats.gateway import GatewayConfig, ModelRoute, PriceConfig, UpstreamConfig
from worktrial.gateway.pacing import Pace
from worktrial.gateway.prices import Prices
from worktrial.gateway.reading import Wire

_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "content-length", "content-encoding", "accept-encoding", "expect"),
    }
)
_SECRET = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "set-cookie"})
_NOT_SENT_ON = _HOP | _SECRET | frozenset(("forwarded", "x-forwarded-for", "x-real-ip"))


@dataclass(frozen=True)
class Upstream:
    """A model server, ready to be asked."""

    name: str
    config: UpstreamConfig
    key: str | None
    pace: Pace
    own_prices: Mapping[str, PriceConfig]
    proxy: str | None
    """The proxy of the environment for this address."""
    _prices: dict[str, Prices] = field(default_factory=dict)

    def prices(self, wire: Wire) -> Prices:
        """Return its prices for what is asked by a protocol."""
        vendor = wire.provider
        if vendor not in self._prices:
            url, provider = self.config.base_url, self.config.provider
            self._prices[vendor] = Prices(self.own_prices, base_url=url, provider=provider, vendor=vendor)
        return self._prices[vendor]

    def provider(self, wire: Wire) -> str:
        """Return the provider's name for records."""
        return self.config.provider or (wire.provider if self._is_vendor(wire) else self.name)

    def _is_vendor(self, wire: Wire) -> bool:
        host = urlsplit(self.config.base_url).hostname or ""
        return host.endswith((f".{wire.provider}.com", ".googleapis.com"))

    def headers(self, wire: Wire, given: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return the headers to ask with: those of the agent, but with the real key and no encoding we cannot read."""
        sent = {name: value for name, value in given if name.lower() not in _NOT_SENT_ON}
        sent["Accept-Encoding"] = "identity"
        sent.update(self.config.headers)
        if self.key is not None:
            header = self.config.auth or wire.key_header
            if header == "bearer":
                sent["Authorization"] = f"Bearer {self.key}"
            else:
                sent[header] = self.key
        return sent

    def url(self, wire: Wire, path: str, query: str) -> str:
        """Return the address of an operation; a key in the query is left out."""
        if "key=" in query:
            query = urlencode([(name, value) for name, value in parse_qsl(query, True) if name != "key"])
        return wire.url(self.config.base_url, path) + (f"?{query}" if query else "")


def passed_back(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of an answer that the agent gets."""
    return {name: value for name, value in headers if name.lower() not in _HOP | _SECRET}


@dataclass(frozen=True)
class Chosen:
    """Where a request goes."""

    upstream: Upstream
    model: str
    """The name the upstream knows the model by."""


class Upstreams:
    """All model servers of a gateway."""

    def __init__(self, config: GatewayConfig, keys: Mapping[str, str] | None = None) -> None:
        """Read the keys from `keys`, by the names of variables; None: from the environment. Raises `UsageError`."""
        environment = os.environ if keys is None else keys
        self._models = config.models
        self._all = {name: _made(name, upstream, config, environment) for name, upstream in config.upstreams.items()}
        for pattern, route in config.models.items():
            name = route if isinstance(route, str) else route.upstream
            if name not in self._all:
                known = ", ".join(self._all) or "none"
                raise UsageError(f"model {pattern!r} goes to an unknown upstream {name!r}", cause=f"there are: {known}")

    def keys(self) -> list[str]:
        """Return all keys."""
        return [upstream.key for upstream in self._all.values() if upstream.key]

    def names(self) -> list[str]:
        """Return the names of all upstreams."""
        return list(self._all)

    def choose(self, wire: Wire, model: str, pinned: str | None = None) -> Chosen | None:
        """Return where a request goes; None: nowhere.

        `pinned` is the only upstream a trial may use. Without one it is that of the first pattern that fits the model,
        else the first that speaks the protocol. No model is asked for by a request that lists models.
        """
        if pinned is None and model:
            for pattern, route in self._models.items():
                if fnmatchcase(model, pattern):
                    route = ModelRoute(upstream=route) if isinstance(route, str) else route  # noqa: PLW2901
                    upstream = self._all[route.upstream]
                    return Chosen(upstream, route.model or model) if wire.api in upstream.config.apis else None
        for name, upstream in self._all.items():
            if pinned in (None, name) and wire.api in upstream.config.apis:
                return Chosen(upstream, model)
        return None


def _made(name: str, config: UpstreamConfig, gateway: GatewayConfig, keys: Mapping[str, str]) -> Upstream:
    parts = urlsplit(config.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"the base URL of upstream {name} is no http address", hint="e.g. http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"the base URL of upstream {name} holds credentials or a query",
            cause="it is written down in records",
            hint="put the key into an environment variable and name that in key_env",
        )
    return Upstream(
        name=name,
        config=config,
        key=_key(name, config.key_env, keys),
        pace=Pace(config.requests_per_minute),
        own_prices={**config.prices, **gateway.prices},
        proxy=_proxy(parts.scheme, parts.hostname),
    )


def _key(name: str, variable: str | None, keys: Mapping[str, str]) -> str | None:
    if variable is None:
        return None
    key = keys.get(variable, "").strip()
    if not key:
        raise UsageError(
            f"upstream {name} has no key",
            cause=f"the environment variable {variable} is not set",
            hint=f"export {variable}=…, or name another variable in key_env",
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"the key in {variable} is no key", cause="it has characters no HTTP header takes")
    return key


def _proxy(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment names for an address, as companies do in HTTPS_PROXY."""
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)
