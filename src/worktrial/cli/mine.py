"""`worktrial mine`: a repository's history in, a suite's candidates out."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_COMMITS = 5000


@click.command("mine", short_help="Find candidate tasks in a repository's history.")
@click.argument("repo", type=click.Path(path_type=Path))
@click.option(
    "--suite",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the suite: a new one, or one mined from the same repository, which is then brought up to date.",
)
@click.option(
    "--max-commits",
    type=click.IntRange(min=0),
    default=DEFAULT_COMMITS,
    show_default=True,
    help="Read at most this many commits of the mainline, the newest, merges included. 0: all.",
)
@click.option("--since", metavar="DATE", help="Leave out what was committed before this ISO date, e.g. 2024-01-31.")
@click.option("--language", help="What the tasks are to be in: python or go. Unless told, what has the most tests.")
@click.option(
    "--sessions",
    metavar="PATH|auto",
    multiple=True,
    help="Logs of coding agents: a log, a folder of logs, a repository with Entire checkpoints, or auto for all of"
    " REPO's on this machine. Their prompts take the place of messages. Repeatable.",
)
@click.option("--sessions-only", is_flag=True, help="Leave out changes that no session is surely linked to.")
@click.option("--consolidate", is_flag=True, help="Make one prompt of a conversation with several, and mark it so.")
@click.option("--yes", is_flag=True, help="Read the logs that auto finds without asking.")
@click.option(
    "--no-redact", is_flag=True, help="Keep keys, mail addresses, names, homes and hosts; the suite is then private."
)
@click.option(
    "--judge",
    "judge_model",
    metavar="MODEL",
    help="Ask MODEL about each prompt too; its answer stands beside the rules' in classification.jsonl.",
)
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration with the model servers of --judge."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON on standard output.")
def command(**given: object) -> None:
    """Find candidate tasks in the history of REPO, a local clone; nothing is fetched.

    A candidate is a commit or merged change that touches source and tests. SUITE gets candidates.jsonl with their
    prompts, cleaned of what gives the solution away, and rejections.jsonl with a reason for every other change. Secrets
    and what tells who someone is become placeholders; redactions.jsonl says how many, and where.

    With --sessions, a change that an agent's session is linked to asks with what a person typed there, verbatim.
    """
    from worktrial.cli.mine_command import find

    find(given)
