"""`worktrial review`: local pages on which people check the tasks of a suite."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("review")
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Only N tasks, drawn at random.  [default: all]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw: the same seed gives the same tasks.")
@click.option("--rejected", is_flag=True, help="Candidates that validation turned down too, as many.")
@click.option("--reviewer", metavar="NAME", help="Who labels.  [default: your login name]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: any that is free.")
@click.option("--agreement", is_flag=True, help="Show no pages: print how far reviewers, rules and model agree.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON on standard output.")
def command(**given: object) -> int:
    """Let people check tasks of SUITE in a browser: prompt, solution, tests, evidence; and label them by keyboard.

    Labels are stored in the suite as they are saved. Tasks that more reviewers retire than keep are left out by run and
    validate. Nobody sees others' labels on a task before giving their own. Several people can review one suite at the
    same time, each with a command of their own. Ctrl-C ends it.
    """
    from worktrial.cli.review_command import review

    return review(given)
