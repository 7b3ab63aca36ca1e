"""What a request cost: as the public list's own library reckons, or the user's price, or unknown."""

from __future__ import annotations

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.errors import UsageError
from worktrial.formats.gateway import GatewayConfig, PriceConfig, UpstreamConfig
from worktrial.formats.run import AgentConfig
from worktrial.gateway.configure import for_agents, vendor_upstreams
from worktrial.gateway.prices import Prices, price_list
from worktrial.gateway.rates import Asked, look_up, read_list
from worktrial.gateway.reading import Tokens

MODELS = (
    ("claude-sonnet-4-5", "anthropic"),
    ("claude-haiku-4-5", "anthropic"),
    ("gpt-5-mini", "openai"),
    ("gpt-5.5", "openai"),
    ("gemini-2.5-pro", "google"),
    ("gemini-2.5-flash", "google"),
)
READ = {model: read_list(Asked(model, "http://127.0.0.1", vendor, vendor)) for model, vendor in MODELS}


def prices(
    base_url: str = "http://127.0.0.1:1", vendor: str = "openai", own: dict[str, PriceConfig] | None = None
) -> Prices:
    return Prices(own or {}, base_url=base_url, provider=None, vendor=vendor)


@pytest.mark.parametrize(("model", "vendor"), MODELS)
@given(data=st.data())
def test_the_public_list_is_reckoned_as_its_library_does(model: str, vendor: str, data: st.DataObject) -> None:
    """Cached tokens and long requests too."""
    total = data.draw(st.integers(0, 500_000))
    read = data.draw(st.integers(0, total))
    written = data.draw(st.integers(0, total - read))
    hour = data.draw(st.integers(0, written)) if vendor == "anthropic" else 0
    output = data.draw(st.integers(0, 100_000))
    counts = {"input_tokens": total, "output_tokens": output, "cache_read_tokens": read, "cache_write_tokens": written}
    if hour:
        counts["cache_write_1h_tokens"] = hour
    wanted = genai_prices.calc_price(genai_prices.Usage(**counts), model, provider_id=vendor).total_price
    rates = READ[model]
    assert rates is not None
    assert rates.cost_usd(Tokens(total, output, read, written, hour)) == pytest.approx(float(wanted), rel=1e-9)


def test_rates_are_asked_of_a_process_of_their_own() -> None:
    """And are the same."""
    asked = Asked("claude-sonnet-4-5", "http://127.0.0.1", None, "anthropic")
    assert look_up(asked, 0) == READ["claude-sonnet-4-5"]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 1000), st.floats(0, 1000))
def test_a_price_of_ones_own_goes_first_and_is_linear(into: int, out: int, price_in: float, price_out: float) -> None:
    """Also for a model of the public list."""
    own = prices(own={"gpt-5": PriceConfig(input=price_in, output=price_out)})
    cost = own.cost("gpt-5", Tokens(into, out))
    assert cost.usd == pytest.approx((into * price_in + out * price_out) / 1e6)
    assert cost.prices == "own"


def test_prices_of_ones_own_for_cached_tokens_hold() -> None:
    """Without them they cost as any: an upper bound."""
    used = Tokens(1000, 0, cache_read=500, cache_write=100)
    assert prices(own={"m": PriceConfig(input=1, output=1)}).cost("m", used).usd == pytest.approx(1000 / 1e6)
    own = PriceConfig(input=1, output=1, cache_read=0.1, cache_write=2)
    assert prices(own={"m": own}).cost("m", used).usd == pytest.approx((400 + 50 + 200) / 1e6)


def test_a_vendors_model_costs_what_it_does_there_and_any_other_is_unknown() -> None:
    """An unknown address with the vendor's model is a gateway; with another's it may be a machine of one's own."""
    assert prices().known("gpt-5-mini")
    assert prices(vendor="anthropic").known("claude-sonnet-4-5")
    assert not prices().known("qwen3-coder-30b")
    assert prices("https://openrouter.ai/api/v1").known("openai/gpt-5")
    unknown = prices().cost("qwen3-coder-30b", Tokens(1, 1))
    assert (unknown.usd, unknown.source) == (None, None)
    assert unknown.prices == price_list()


def test_the_source_of_an_amount_is_told() -> None:
    """Metered, estimated, reported, or none."""
    own = prices(own={"m": PriceConfig(input=1, output=1)})
    assert own.cost("m", Tokens(1, 1)).source == "metered"
    assert own.cost("m", Tokens(1, 1), estimated=True).source == "estimated"
    assert own.cost("m", None, reported=0.5).source == "reported"
    assert own.cost("m", None).usd is None


def test_agents_with_a_server_of_their_own_are_tied_to_it() -> None:
    """All others use what is configured; the vendor's key does not go to another address."""
    agents = [
        AgentConfig(name="a", kind="basic", model="m", base_url="http://127.0.0.1:8000/v1", input_usd_per_mtok=1.0,
                    output_usd_per_mtok=2.0),
        AgentConfig(name="b", kind="basic", model="gpt-5", input_usd_per_mtok=3.0, output_usd_per_mtok=4.0),
        AgentConfig(name="c", kind="opencode", model="m", api="anthropic", key_env="MY_KEY"),
        AgentConfig(name="d", kind="codex", model="m", api="anthropic", key_env="MY_KEY"),
    ]  # fmt: skip
    base = GatewayConfig(upstreams={"up": UpstreamConfig(base_url="http://u/v1", apis=("openai_chat",))})
    config, tied = for_agents(base, agents)
    assert tied == {"a": "agent a", "c": "agent c", "d": "agent d"}
    assert config.upstreams["agent a"].key_env is None
    assert config.upstreams["agent a"].prices == {"*": PriceConfig(input=1, output=2)}
    assert config.upstreams["agent c"].base_url == "https://api.anthropic.com"
    assert config.upstreams["agent d"].base_url == "https://api.openai.com/v1"  # Codex speaks no other protocol
    assert config.prices == {"gpt-5": PriceConfig(input=3, output=4)}
    with pytest.raises(UsageError, match="one price of two"):
        for_agents(base, [AgentConfig(name="e", kind="basic", model="m", input_usd_per_mtok=1.0)])


def test_the_vendors_own_servers_are_there_when_their_keys_are() -> None:
    """And not without."""
    assert vendor_upstreams({}) == {}
    assert list(vendor_upstreams({"OPENAI_API_KEY": "k", "GEMINI_API_KEY": " "})) == ["openai"]
