"""Figures as words, the same in every sentence, table and page. None is always "unknown", never 0."""

from __future__ import annotations

UNKNOWN = "unknown"
_MINUS = "\N{MINUS SIGN}"


def percent(rate: float | None) -> str:
    """Return a rate in 0..1 as whole percent; 0% and 100% are kept for none and all."""
    if rate is None:
        return UNKNOWN
    if 0 < rate < 0.005:
        return "<1%"
    if 0.995 <= rate < 1:
        return ">99%"
    return f"{rate * 100:.0f}%"


def points(difference: float, decimals: int = 0) -> str:
    """Return a difference of rates as signed percentage points, without the word."""
    text = f"{abs(difference) * 100:.{decimals}f}"
    if not float(text):
        return "0"
    return f"{_MINUS if difference < 0 else '+'}{text}"


def exact_points(difference: float) -> str:
    """Return a difference of rates as signed percentage points to a tenth, without the word."""
    text = f"{abs(difference) * 100:.1f}"
    if text == "0.0":
        return "0.0"
    return f"{_MINUS if difference < 0 else '+'}{text}"


def p_value(p: float) -> str:
    """Return a p-value as statistics writes it: no leading zero, no more digits than mean something."""
    if p < 0.001:
        return "p < .001"
    if p > 0.995:
        return "p = 1"
    return f"p = {p:.3f}".replace("0.", ".") if p < 0.1 else f"p = {p:.2f}".replace("0.", ".")


def money(usd: float | None) -> str:
    """Return an amount of US dollars."""
    if usd is None:
        return UNKNOWN
    if usd == 0:
        return "$0"
    if usd < 0.0001:
        return "<$0.0001"
    return f"${usd:,.4f}" if usd < 0.01 else f"${usd:,.2f}" if usd < 1000 else f"${usd:,.0f}"


def times(ratio: float | None) -> str:
    """Return a ratio of amounts."""
    if ratio is None:
        return UNKNOWN
    return f"{ratio:.2f} times" if ratio < 9.995 else f"{ratio:,.0f} times"


def duration(seconds: float | None) -> str:
    """Return a span of time in the two units that matter."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def amount(number: int | None) -> str:
    """Return a large whole number in a short form: 940, 12.3k, 4.56M."""
    if number is None:
        return UNKNOWN
    if number < 1000:
        return str(number)
    return f"{number / 1000:.3g}k" if number < 999_500 else f"{number / 1_000_000:.3g}M"


def tally(value: float | None) -> str:
    """Return a mean number of things; a dash where there was nothing to take the mean of."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:.0f}" if value >= 9.95 or value == round(value) else f"{value:.1f}"


def count(number: int, noun: str) -> str:
    """Return `1 task`, `2 tasks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(names: list[str], most: int = 4) -> str:
    """Return `a, b, c and 3 more`."""
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1] if names else ""]))
