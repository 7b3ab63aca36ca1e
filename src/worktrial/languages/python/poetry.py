"""Poetry's own dependency tables, in the terms other installers understand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

_OPERATOR = re.compile(r"^(\^|~(?!=))\s*(\d+(?:\.\d+)*)(.*)$")


def read(table: dict[str, Any], chosen: Callable[[Iterable[str]], list[str]]) -> tuple[str, list[str], list[str]]:
    """Return the Python specifier, the requirements of the chosen groups, and the chosen extras of `[tool.poetry]`."""
    python = _table(table.get("dependencies")).get("python", "")
    named = _table(table.get("group"))
    groups = {name: dict(_table(_table(group).get("dependencies"))) for name, group in named.items()}
    groups.setdefault("dev", {}).update(_table(table.get("dev-dependencies")))
    requirements = [
        requirement
        for group in chosen(groups)
        for name, wanted in groups[group].items()
        if (requirement := pep508(name, wanted)) is not None
    ]
    return specifier(python) if isinstance(python, str) else "", requirements, chosen(_table(table.get("extras")))


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def pep508(name: str, wanted: object) -> str | None:
    """Return a Poetry dependency as a PEP 508 requirement; None for what has no such form (paths, git)."""
    if isinstance(wanted, str):
        return f"{name}{specifier(wanted)}"
    if isinstance(wanted, dict) and isinstance(version := wanted.get("version"), str):
        named = wanted.get("extras")
        extras = f"[{','.join(map(str, named))}]" if isinstance(named, list) and named else ""
        markers = f" ; {wanted['markers']}" if wanted.get("markers") else ""
        return f"{name}{extras}{specifier(version)}{markers}"
    return None


def specifier(version: str) -> str:
    """Return a Poetry version constraint as a PEP 440 specifier; empty for `*` and for alternatives (`||`).

    `^1.2.3` allows what does not change the leftmost non-zero digit, `~1.2` what does not change the second
    (Poetry's documentation, "Dependency specification").
    """
    if version.strip() in ("*", "") or "|" in version:
        return ""
    return ",".join(_one(part.strip()) for part in version.split(",") if part.strip())


def _one(part: str) -> str:
    match = _OPERATOR.match(part)
    if match is None:
        return part if part[0] in "<>=!~" else f"=={part}"
    digits = [int(digit) for digit in match[2].split(".")]
    if match[1] == "~":
        keep = min(2, len(digits))
    else:
        keep = next((place for place, digit in enumerate(digits, 1) if digit), len(digits))
    upper = [*digits[: keep - 1], digits[keep - 1] + 1]
    return f">={match[2]}{match[3]},<{'.'.join(map(str, upper))}"
