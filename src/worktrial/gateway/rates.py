"""The public price list as rates: what a token costs, by its kind and by how long the request is.

Within a tier of input length every price of the list is linear in the counts of tokens. So a model's rates are asked of
the library once, and a request costs a few multiplications instead of 0.2 ms. The library takes 0.5 s and 20 MB to
load; it does so in a process of its own, `python -m worktrial.gateway.rates`, that prints the rates and is gone.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from worktrial.gateway.reading import Tokens

_TIMEOUT_S = 60.0
_MANY = 1_000_000


@dataclass(frozen=True)
class Tier:
    """What a token costs in requests of more than `above` input tokens, USD."""

    above: int
    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float


@dataclass(frozen=True)
class Rates:
    """The prices of one model at one provider."""

    flat: float
    """USD for the request itself."""
    tiers: tuple[Tier, ...]
    """Rising; the first is for all lengths."""
    hourly: bool = False
    """The list has other prices at other hours."""

    def cost_usd(self, tokens: Tokens) -> float:
        """Return what a request cost."""
        tier = next(one for one in reversed(self.tiers) if tokens.input > one.above or one is self.tiers[0])
        hour = min(tokens.cache_write_1h, tokens.cache_write)
        plain = max(0, tokens.input - tokens.cache_read - tokens.cache_write)
        return (
            self.flat
            + plain * tier.input
            + tokens.cache_read * tier.cache_read
            + (tokens.cache_write - hour) * tier.cache_write
            + hour * tier.cache_write_1h
            + tokens.output * tier.output
        )


@dataclass(frozen=True)
class Asked:
    """Whose rates are wanted."""

    model: str
    base_url: str
    """Empty for an address of one's own, which no list knows."""
    provider: str | None
    """The list's name for who serves; None: told by the address, else `vendor`."""
    vendor: str


_RATES: TypeAdapter[Rates | None] = TypeAdapter(Rates | None)
_ASKED = TypeAdapter(Asked)


@lru_cache(maxsize=256)
def look_up(asked: Asked, hour: int) -> Rates | None:  # noqa: ARG001 - a new hour is a new question
    """Return the rates, asked of a process of its own; None: the list does not know the model there.

    `hour` is the present one, since the epoch: some prices change by it. Where no process can be had the library is
    loaded into this one.
    """
    argv = [sys.executable, "-m", __name__, _ASKED.dump_json(asked).decode()]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_TIMEOUT_S, check=True)
        return _RATES.validate_json(done.stdout)
    except (OSError, subprocess.SubprocessError, ValidationError):
        return read_list(asked)


def read_list(asked: Asked) -> Rates | None:
    """Return the rates, by the library in this process."""
    import genai_prices

    wheres: list[dict[str, Any]] = [{"provider_id": asked.vendor}]
    if asked.base_url:
        wheres.insert(0, {"provider_api_url": asked.base_url})
    if asked.provider:
        wheres = [{"provider_id": asked.provider}]
    for where in wheres:
        try:
            found = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), asked.model, **where)
        except LookupError:
            continue
        return _rates(found.model_price, hourly=isinstance(found.model.prices, list))
    return None


def _rates(price: Any, *, hourly: bool) -> Rates:
    from genai_prices import types

    def cost(**counts: int) -> float:
        return float(price.calc_price(types.Usage(**counts))["total_price"])

    starts = {
        tier.start for value in vars(price).values() if isinstance(value, types.TieredPrices) for tier in value.tiers
    }
    flat = cost(input_tokens=0, output_tokens=0)
    tiers = []
    for above in (0, *sorted(starts)):
        many = min((start for start in starts if start > above), default=above + _MANY)
        only = cost(input_tokens=many)
        tiers.append(
            Tier(
                above=above,
                input=(only - flat) / many,
                output=(cost(input_tokens=many, output_tokens=_MANY) - only) / _MANY,
                cache_read=(cost(input_tokens=many, cache_read_tokens=many) - flat) / many,
                cache_write=(cost(input_tokens=many, cache_write_tokens=many) - flat) / many,
                cache_write_1h=(cost(input_tokens=many, cache_write_tokens=many, cache_write_1h_tokens=many) - flat)
                / many,
            )
        )
    return Rates(flat, tuple(tiers), hourly)


if __name__ == "__main__":
    sys.stdout.buffer.write(_RATES.dump_json(read_list(_ASKED.validate_json(sys.argv[1]))))
