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


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON on standard output.")
def command(*, as_json: bool) -> int:
    """Check git, uv, Python, bubblewrap, user namespaces and disk, and name the remedy for each that is missing."""
    from worktrial.cli.output import print_json

    findings = list(check())
    if as_json:
        print_json({"ok": all(finding.ok for finding in findings), "findings": [asdict(one) for one in findings]})
    else:
        for finding in findings:
            mark = click.style("ok     ", fg="green") if finding.ok else click.style("missing", fg="red", bold=True)
            click.echo(f"{mark}  {finding.name:16}  {finding.found}")
            if finding.remedy and not finding.ok:
                click.echo(f"{'':9}{'':18}remedy: {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 1


def check() -> Iterator[Finding]:
    """Yield the findings of all checks, each made for real."""
    yield _git()
    yield _uv()
    yield _pythons()
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


def _isolation() -> Iterator[Finding]:
    from worktrial.sandboxes.select import probe_namespaces

    found = shutil.which("bwrap")
    remedy = "install it: apt-get install bubblewrap"
    yield Finding("bubblewrap", ok=found is not None, found=found or "not found", remedy=remedy)
    probe = probe_namespaces()
    yield Finding("user namespaces", ok=probe.works, found=probe.cause or "work", remedy=probe.hint)


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
