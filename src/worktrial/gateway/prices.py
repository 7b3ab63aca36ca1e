"""What a request cost: by the user's prices, else by the public list, else as the upstream says, else unknown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import version
from urllib.parse import urlsplit

from worktrial.formats.gateway import PriceConfig, Source
from worktrial.gateway.rates import Asked, Rates, look_up
from worktrial.gateway.reading import Tokens

_MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    """An amount and where it is from. None is unknown."""

    usd: float | None
    source: Source | None = None
    prices: str = ""
    """The list, with its version; kept also where the list did not know."""


class Prices:
    """The prices of one upstream for what is asked by one protocol."""

    def __init__(self, own: Mapping[str, PriceConfig], *, base_url: str, provider: str | None, vendor: str) -> None:
        """`own` by pattern, the first that fits. `provider` is the public list's name for who serves; with None it is
        told by the address and, where that is of nobody known, as `vendor`, whose protocol it is: a gateway in front
        of the vendor. A model of anybody else may be self-hosted there, so its price is unknown."""
        self._own = own
        self._base_url = "" if _is_ones_own(base_url) else base_url
        self._provider = provider
        self._vendor = vendor
        self._listed: dict[str, tuple[Rates | None, int]] = {}
        """Rates by model, and the hour they were read in."""

    async def prepare(self, model: str) -> None:
        """Read what the public list says of a model, if it is needed and was not read yet: 0.5 s, in a thread."""
        if not self._is_read(model) and self._own_price(model) is None:
            self._listed[model] = (await asyncio.to_thread(look_up, self._asked(model), _hour()), _hour())

    def cost(
        self, model: str, tokens: Tokens | None, *, estimated: bool = False, reported: float | None = None
    ) -> Cost:
        """Return what one request cost: one at a time, as some prices depend on the length of the single request."""
        source: Source = "estimated" if estimated else "metered"
        if tokens is None:
            return Cost(None) if reported is None else Cost(reported, "reported")
        own = self._own_price(model)
        if own is not None:
            return Cost(_own_cost(own, tokens), source, "own")
        if not self._is_read(model):
            self._listed[model] = (look_up(self._asked(model), _hour()), _hour())
        rates = self._listed[model][0]
        if rates is not None:
            return Cost(rates.cost_usd(tokens), source, price_list())
        if reported is not None:
            return Cost(reported, "reported", price_list())
        return Cost(None, None, price_list())

    def known(self, model: str) -> bool:
        """Whether a budget can bound requests to this model."""
        return self.cost(model, Tokens(1, 1)).usd is not None

    def _own_price(self, model: str) -> PriceConfig | None:
        return next((price for pattern, price in self._own.items() if fnmatchcase(model, pattern)), None)

    def _is_read(self, model: str) -> bool:
        """Whether a model's rates are at hand; of those that change by the hour, this hour's."""
        rates, hour = self._listed.get(model, (None, -1))
        return hour >= 0 and (rates is None or not rates.hourly or hour == _hour())

    def _asked(self, model: str) -> Asked:
        return Asked(model, self._base_url, self._provider, self._vendor)


def _is_ones_own(base_url: str) -> bool:
    """Whether an address is of this machine or a bare number: no provider's, so the list need not be asked for it."""
    host = urlsplit(base_url).hostname or ""
    return host == "localhost" or host.replace(".", "").isdigit() or ":" in host


def _hour() -> int:
    return int(time.time() // 3600)


@lru_cache(maxsize=1)
def price_list() -> str:
    """Return the name and version of the public price list."""
    return f"genai-prices {version('genai-prices')}"


def _own_cost(price: PriceConfig, tokens: Tokens) -> float:
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    plain = max(0, tokens.input - tokens.cache_read - tokens.cache_write)
    total = plain * price.input + tokens.cache_read * read + tokens.cache_write * write
    return (total + tokens.output * price.output) / _MILLION
