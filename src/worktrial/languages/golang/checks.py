"""How a Go project checks its work: with Go's own tools, and with golangci-lint where the project has set it up."""

from __future__ import annotations

import shutil

from worktrial.languages.protocol import Checks, ReadFile

_PACKAGES = r"""
command=$1 && shift
for word in "$@"
do
  shift
  case $word in
    *.go::*) set -- "$@" -run "^${word#*::}\$" "./$(dirname "${word%%::*}")" ;;
    *.go) set -- "$@" "./$(dirname "$word")" ;;
    -* | ./* | ../* | /*) set -- "$@" "$word" ;;
    *) if [ -d "$word" ]; then set -- "$@" "./$word"; else set -- "$@" "$word"; fi ;;
  esac
done
[ $# -gt 0 ] || set -- ./...
exec go "$command" "$@"
"""
"""Makes packages of files, folders and tests: what people and agents point at."""
_LINT_SETTINGS = (".golangci.yml", ".golangci.yaml", ".golangci.toml", ".golangci.json")


def checks(read: ReadFile, search_path: str) -> Checks:
    """Return the checks of the project whose files `read` gives, with programs found on `search_path`."""
    configured = any(read(name) is not None for name in _LINT_SETTINGS)
    lint = configured and shutil.which("golangci-lint", path=search_path) is not None
    return Checks(
        test=_go("test"),
        diagnostics=_go("vet"),
        lint=("golangci-lint", "run") if lint else (),
        format=("gofmt", "-w") if shutil.which("gofmt", path=search_path) else (),
        build=("go", "build", "./..."),
    )


def _go(command: str) -> tuple[str, ...]:
    """Return a command of `go` on the packages that are named after it, on all where none are."""
    return ("/bin/sh", "-c", _PACKAGES, "sh", command)
