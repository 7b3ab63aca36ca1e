"""`worktrial agents`: which real agents there are, what of them is installed, and installing them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worktrial.agents.real.contract import RealAgent


@dataclass(frozen=True)
class _Row:
    """What is known of one agent on this machine."""

    name: str
    title: str
    installed: tuple[str, ...]
    """Versions, by name."""
    default: str
    """The version that is taken when none is named; empty for the one on PATH."""
    package: str
    needs: str
    missing: str
    """What of that is not here; empty when all is."""
    size_mib: float | None
    """Of all versions; None when nothing is installed, or by somebody else."""


@click.group("agents", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON on standard output.")
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> int:
    """List the real agents: what is installed, which version is the default, and what each needs."""
    if context.invoked_subcommand is not None:
        return 0
    from worktrial import agents
    from worktrial.cli.output import print_json

    rows = [_row(agents.real_agent(kind)) for kind in agents.real_kinds()]
    if as_json:
        print_json({"agents": [asdict(row) for row in rows]})
        return 0
    for row in rows:
        state = ", ".join(row.installed) or "-"
        note = f"missing: {row.missing}" if row.missing else row.needs
        click.echo(f"{row.name:16}  {state:24}  {f'default {row.default}' if row.default else '':20}  {note}".rstrip())
    if not any(row.installed for row in rows):
        click.echo("install one: worktrial agents install NAME", err=True)
    return 0


@command.command("install")
@click.argument("names", nargs=-1, required=True, metavar="NAME[@VERSION]…")
@click.option(
    "--sandbox", default="auto", show_default=True, help="Isolation to install in: auto, namespaces, or none."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was installed as JSON on standard output.")
def install(names: tuple[str, ...], *, sandbox: str, as_json: bool) -> int:
    """Install agents into worktrial's cache, once per version; all trials share it and none can change it."""
    import asyncio

    from worktrial import agents
    from worktrial.agents.real import install as installing
    from worktrial.cli.output import print_json, talk, warn_of
    from worktrial.sandboxes.select import choose

    chosen = choose(sandbox)
    warn_of(chosen)
    wanted = [(agents.real_agent(name), version or None) for name, _, version in (one.partition("@") for one in names)]
    done = []
    for agent, version in wanted:
        title = f"{agent.title} {version or agent.package.version}".strip()
        with talk.status(f"{title} …"):
            receipt = asyncio.run(installing.install(agent, version, chosen, _Said(title)))
        talk.print(f"{title}: installed, {receipt.size_mib:.0f} MiB", markup=False)
        done.append(receipt.model_dump(mode="json", exclude={"packages"}))
    if as_json:
        print_json({"installed": done})
    return 0


class _Said:
    """Says what is being done for an agent."""

    def __init__(self, title: str) -> None:
        self._title = title

    def __call__(self, what: str) -> None:
        from worktrial.cli.output import talk

        talk.print(f"{self._title}: {what}", markup=False)


def _row(agent: RealAgent) -> _Row:
    from worktrial.agents.real import host
    from worktrial.agents.real.install import missing, needs, receipts
    from worktrial.errors import AgentError

    package = agent.package
    found = list(receipts(agent))
    versions = tuple(receipt.version for receipt in found)
    if package.registry == "path":
        try:
            versions = (host.on_path(agent).version,)
        except AgentError:
            versions = ()
    return _Row(
        name=agent.name,
        title=agent.title,
        installed=versions,
        default=package.version,
        package=f"{package.registry}: {package.name}",
        needs=needs(package),
        missing=missing(package),
        size_mib=round(sum(receipt.size_mib for receipt in found), 1) if found else None,
    )
