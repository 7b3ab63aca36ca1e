"""`worktrial doctor`: check what this machine has and name the remedy for what is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

_NEEDED_GIB = 2.0
_GIT_NEEDED = (2, 32)
"""`git apply --cached --3way` works from here on."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True
    """Whether worktrial lacks something without it; of the tiers of isolation any one will do."""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON on standard output.")
def command(*, as_json: bool) -> int:
    """Check git, uv, Python, Go, the kinds of isolation and disk, and name the remedy for each that is missing."""
    from worktrial.cli.output import print_json

    findings = list(check())
    in_order = all(finding.ok or not finding.needed for finding in findings)
    if as_json:
        print_json({"ok": in_order, "findings": [asdict(one) for one in findings]})
    else:
        for finding in findings:
            click.echo(f"{_mark(finding)}  {finding.name:18}  {finding.found}")
            if finding.remedy and not finding.ok:
                click.echo(f"{'':9}{'':20}remedy: {finding.remedy}")
    return 0 if in_order else 1


def _mark(finding: Finding) -> str:
    if finding.ok:
        return click.style("ok     ", fg="green")
    return click.style("missing", fg="red", bold=True) if finding.needed else click.style("absent ", dim=True)


def check() -> Iterator[Finding]:
    """Yield the findings of all checks, each made for real."""
    yield _git()
    yield _uv()
    yield _pythons()
    yield _go()
    yield from _isolation()
    yield from _disk()


def _git() -> Finding:
    try:
        printed = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return Finding("git", ok=False, found="not found", remedy="install it: apt-get install git")
    version = printed.split()[2]
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    remedy = f"install git {_GIT_NEEDED[0]}.{_GIT_NEEDED[1]} or newer"
    return Finding("git", ok=parts >= _GIT_NEEDED, found=version, remedy=remedy)


def _uv() -> Finding:
    from worktrial.languages.python.interpreters import uv_path

    try:
        printed = subprocess.run([uv_path(), "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        return Finding("uv", ok=False, found=str(error), remedy="install worktrial again: uv comes with it")
    return Finding("uv", ok=True, found=printed.split()[1])


def _pythons() -> Finding:
    from worktrial.languages.python.interpreters import installed

    try:
        found = [interpreter.minor for interpreter in installed()]
    except OSError as error:  # uv, which lists them, is not there
        return Finding("Python", ok=False, found=str(error), remedy="install worktrial again: uv comes with it")
    return Finding("Python", ok=bool(found), found=", ".join(found), remedy="install one: uv python install 3.12")


def _go() -> Finding:
    from worktrial.languages.golang.toolchains import OLDEST, installed

    found = ", ".join(toolchain.name for toolchain in installed())
    remedy = f"for repositories in Go, install Go {OLDEST[0]}.{OLDEST[1]} or newer"
    return Finding("Go", ok=bool(found), found=found or "not found", remedy=remedy, needed=False)


def _isolation() -> Iterator[Finding]:
    """Yield what each kind of isolation does when it is tried; the strongest that works is the one that is needed."""
    from worktrial.sandboxes.select import BACKENDS, probe

    probes = {backend.tier: probe(backend) for backend in BACKENDS}
    strongest = next((tier for tier, found in probes.items() if found.works), BACKENDS[0].tier)
    for tier, found in probes.items():
        said = found.cause or ("works, and is what --sandbox auto takes" if tier == strongest else "works")
        yield Finding(f"sandbox {tier}", ok=found.works, found=said, remedy=found.hint, needed=tier == strongest)


def _disk() -> Iterator[Finding]:
    import tempfile
    from pathlib import Path

    from worktrial.store.cache import cache_dir

    for name, folder in (("disk, cache", cache_dir()), ("disk, temporary", Path(tempfile.gettempdir()))):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free_gib = shutil.disk_usage(existing).free / 1024**3
        remedy = f"free some, or set {'WORKTRIAL_CACHE' if 'cache' in name else 'TMPDIR'} to another disk"
        found = f"{free_gib:.1f} GiB free at {folder}"
        yield Finding(name, ok=free_gib >= _NEEDED_GIB, found=found, remedy=remedy)
