"""What a request cost: by the user's prices, else by the public list, else as the upstream says, else unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from worktrial.formats.gateway import PriceConfig, Source
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
    """The prices of one upstream. The public list is read when it is first needed: 0.3 s and 10 MB."""

    def __init__(self, own: Mapping[str, PriceConfig], *, base_url: str, provider: str | None, vendor: str) -> None:
        """`own` by pattern, the first that fits. `provider` is the public list's name for who serves; with None it is
        told by the address and, where that is of nobody known, as `vendor`, whose protocol it is: a gateway in front
        of the vendor. A model of anybody else may be self-hosted there, so its price is unknown."""
        self._own = own
        self._base_url = base_url
        self._provider = provider
        self._vendor = vendor

    def cost(
        self, model: str, tokens: Tokens | None, *, estimated: bool = False, reported: float | None = None
    ) -> Cost:
        """Return what one request cost: one at a time, as some prices depend on the length of the single request."""
        source: Source = "estimated" if estimated else "metered"
        if tokens is None:
            return Cost(None) if reported is None else Cost(reported, "reported")
        for pattern, price in self._own.items():
            if fnmatchcase(model, pattern):
                return Cost(_own_cost(price, tokens), source, "own")
        listed = self._listed(model, tokens)
        if listed is not None:
            return Cost(listed, source, price_list())
        if reported is not None:
            return Cost(reported, "reported", price_list())
        return Cost(None, None, price_list())

    def known(self, model: str) -> bool:
        """Whether a budget can bound requests to this model."""
        return self.cost(model, Tokens(1, 1)).usd is not None

    def _listed(self, model: str, tokens: Tokens) -> float | None:
        found = _look_up(model, self._base_url, self._provider, self._vendor)
        if found is None:
            return None
        import genai_prices

        used = genai_prices.Usage(
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            cache_read_tokens=tokens.cache_read,
            cache_write_tokens=tokens.cache_write,
            **({"cache_write_1h_tokens": tokens.cache_write_1h} if tokens.cache_write_1h else {}),
        )
        price, provider = found
        try:
            return float(price.calc_price(used, provider).total_price)
        except (ValueError, TypeError):  # counts that contradict each other, of a server that cannot count
            return None


def price_list() -> str:
    """Return the name and version of the public price list."""
    return _price_list()


@lru_cache(maxsize=1)
def _price_list() -> str:
    return f"genai-prices {version('genai-prices')}"


def _own_cost(price: PriceConfig, tokens: Tokens) -> float:
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    plain = max(0, tokens.input - tokens.cache_read - tokens.cache_write)
    total = plain * price.input + tokens.cache_read * read + tokens.cache_write * write
    return (total + tokens.output * price.output) / _MILLION


@lru_cache(maxsize=256)
def _look_up(model: str, base_url: str, provider: str | None, vendor: str) -> tuple[Any, Any] | None:
    """Return the list's model and provider, or None when it does not know them."""
    import genai_prices

    nothing = genai_prices.Usage(input_tokens=1, output_tokens=1)
    wheres: list[dict[str, Any]] = (
        [{"provider_id": provider}] if provider else [{"provider_api_url": base_url}, {"provider_id": vendor}]
    )
    for where in wheres:
        try:
            found = genai_prices.calc_price(nothing, model, **where)
        except LookupError:
            continue
        return found.model, found.provider
    return None
