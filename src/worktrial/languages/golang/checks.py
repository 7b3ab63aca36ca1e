"""How a Go project checks its work: with Go's own tools, and with golangci-lint where the project has set it up."""

from __future__ import annotations

import shutil

from worktrial.languages.protocol import Checks, ReadFile

_LINT_SETTINGS = (".golangci.yml", ".golangci.yaml", ".golangci.toml", ".golangci.json")


def checks(read: ReadFile, search_path: str) -> Checks:
    """Return the checks of the project whose files `read` gives, with programs found on `search_path`."""
    configured = any(read(name) is not None for name in _LINT_SETTINGS)
    lint = configured and shutil.which("golangci-lint", path=search_path) is not None
    return Checks(
        test=("go", "test", "./..."),
        diagnostics=("go", "vet", "./..."),
        lint=("golangci-lint", "run") if lint else (),
        format=("gofmt", "-w") if shutil.which("gofmt", path=search_path) else (),
        build=("go", "build", "./..."),
    )
