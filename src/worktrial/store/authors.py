"""Who is known by name from a repository and this machine, for redaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from worktrial.redaction.people import Identities, KnownNames
from worktrial.store.git import Git

_AUTHORS = "%an%x00%ae%n%aN%x00%aE%n%cn%x00%ce%n%(trailers:key=Co-authored-by,valueonly)"
_CO_AUTHOR = re.compile(r"\s*(?P<name>[^<>\0]+?)\s*<(?P<mail>[^<>\s]+)>\s*")


def known_names(git: Git) -> KnownNames:
    """Return who is known by name: authors and committers of all branches, and this machine and its user."""
    listed = git.run("log", "--all", f"--format={_AUTHORS}").decode("utf-8", "replace")
    return KnownNames(Identities.of_authors(_authors(set(listed.split("\n")))) | Identities.of_machine())


def _authors(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, between, mail = line.partition("\0")
        if between:
            yield name, mail
        elif found := _CO_AUTHOR.fullmatch(line):
            yield found["name"], found["mail"]
