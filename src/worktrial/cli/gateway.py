"""`worktrial gateway`: the recording reverse proxy on its own, for agents that are run by hand."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("gateway")
@click.option("--config", type=click.Path(path_type=Path), help="Instead of ./worktrial.toml: its table [gateway].")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the record. Needed but for --summary.")
@click.option(
    "--trial", "trials", multiple=True, metavar="AGENT/TASK/N", default=("agent/session/1",), show_default=True,
    help="A trial to open. May be given again.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), help="On 127.0.0.1; 0, the default, is any that is free.")
@click.option("--socket", type=click.Path(path_type=Path), help="Listen on this unix socket as well.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="USD", help="Of all trials together.")
@click.option("--tokens", type=click.IntRange(min=0), metavar="N", help="Input and output of all trials together.")
@click.option("--replay", type=click.Path(path_type=Path), metavar="RUN", help="Answer from this run's record alone.")
@click.option("--summary", type=click.Path(path_type=Path), metavar="RUN", help="Only say what a record holds.")
@click.option("--json", "as_json", is_flag=True, help="Print addresses, and at the end the summary, as JSON.")
def command(**given: object) -> int:
    """Pass model requests on to their providers, meter them, and record them.

    Prints a base URL for each trial: give it to an agent in the place of the provider's, with any key. The real keys
    stay here: they are read from the variables that the upstreams of worktrial.toml name; without any upstream there,
    from OPENAI_API_KEY, ANTHROPIC_API_KEY and GEMINI_API_KEY. Ctrl-C ends it and prints what was used.
    """
    from worktrial.cli.gateway_command import run

    return run(given)
