"""The packages a repository is built of, as `go list` names them: which are its own, and which it only uses."""

from __future__ import annotations

from dataclasses import dataclass

TEMPLATE = (
    "{{if not .ForTest}}"
    # What is replaced by a folder is the repository's own.
    "{{with .Module}}{{if or .Main (and .Replace (not .Replace.Version))}}own {{end}}{{end}}"
    "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}"
    "{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}"
    '{{"\\n"}}{{end}}'
)
"""For `go list -deps -test`: a line for each package with what it imports, `own` before the repository's."""
_NEVER = frozenset({"C", "unsafe"})
"""Packages that are not compiled."""


@dataclass(frozen=True)
class Listing:
    """What was listed."""

    others: tuple[str, ...]
    """Packages that neither are the repository's nor import any of them, sorted. A module that the repository needs may
    need the repository in turn: what that is compiled with is one state of it."""
    imported: tuple[str, ...]
    """Those of them that the repository imports itself, in its tests too."""


def parse(listed: str) -> Listing:
    """Read what `go list` printed by `TEMPLATE`."""
    imports: dict[str, list[str]] = {}
    own: dict[str, list[str]] = {}
    for line in listed.split("\n"):
        words = line.split()
        if words[:1] == ["own"]:
            own[words[1]] = words[2:]
        elif words:
            imports[words[0]] = words[1:]
    importers: dict[str, list[str]] = {}
    for package, names in imports.items():
        for name in names:
            importers.setdefault(name, []).append(package)
    left = list(own)
    while left:
        left += [one for one in importers.pop(left.pop(), []) if imports.pop(one, None) is not None]
    others = imports.keys() - _NEVER
    return Listing(tuple(sorted(others)), tuple(sorted({name for names in own.values() for name in names} & others)))
