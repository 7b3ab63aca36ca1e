"""`worktrial mine`: a repository's history in, a suite's candidates out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from worktrial.mine.candidates import Mined
    from worktrial.store.suite import Suite

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
def command(
    repo: Path,
    folder: Path,
    *,
    max_commits: int,
    since: str | None,
    language: str | None,
    sessions: tuple[str, ...],
    sessions_only: bool,
    consolidate: bool,
    yes: bool,
    no_redact: bool,
    judge_model: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Find candidate tasks in the history of REPO, a local clone; nothing is fetched.

    A candidate is a commit or merged change that touches source and tests. SUITE gets candidates.jsonl with their
    prompts, cleaned of what gives the solution away, and rejections.jsonl with a reason for every other change. Secrets
    and what tells who someone is become placeholders; redactions.jsonl says how many, and where.

    With --sessions, a change that an agent's session is linked to asks with what a person typed there, verbatim.
    """
    from worktrial.cli.output import print_json, talk
    from worktrial.cli.session_logs import asked_of, read_wanted, wanted_logs
    from worktrial.languages import load
    from worktrial.mine.candidates import mine
    from worktrial.mine.save import check_folder, language_of, prefix_of, save
    from worktrial.store.git import open_repository

    start = _date(since)
    git = open_repository(repo)
    suite = check_folder(folder, repo, git)
    plugin = load(language or language_of(suite, git))
    asked = asked_of(sessions, only=sessions_only, consolidate=consolidate)
    wanted = None if asked is None else read_wanted(wanted_logs(repo, sessions, yes=yes), asked, repo)
    with talk.status("reading commits") as status:
        mined = mine(
            git,
            prefix=prefix_of(suite, git),
            language=plugin,
            max_commits=max_commits or None,
            since=start,
            wanted=wanted,
            redact=not no_redact,
            progress=status.update,
        )
    if mined.candidates and judge_model is not None:
        mined = _judged(mined, suite, judge_model, config)
    if mined.candidates:
        save(suite, repo, mined, redacted=not no_redact, sessions=asked)
    _show(mined, suite)
    if as_json:
        accepted = len(suite.task_ids())
        said = {"funnel": mined.funnel(), "candidates": len(mined.candidates), "accepted": accepted}
        print_json({**(_figures(mined) if mined.telling else {}), **said})
    if not mined.candidates:
        _fail_empty(mined)


def _figures(mined: Mined) -> dict[str, Any]:
    """Return what there is to say of sessions."""
    from collections import Counter

    telling = mined.telling
    if telling is None:
        return {}
    return {
        "sessions": telling.sessions,
        "single_turn": telling.single_turn,
        "multi_turn": telling.multi_turn,
        "sessions_linked": telling.sessions_linked,
        "linked": telling.linked,
        "by_link": dict(telling.by_link),
        "changes_linked": telling.changes_linked,
        "ai_share_median": telling.ai_share_median,
        "stated_share_median": telling.stated_share_median,
        "ai_share_whole": telling.ai_share_whole,
        "not_asked": dict(telling.unasked),
        "prompt_kinds": dict(Counter(candidate.prompt_kind for candidate in mined.candidates)),
        "unread": {"torn": telling.torn, "unknown": telling.unknown},
    }


def _show_sessions(mined: Mined) -> None:
    """Print what came of sessions."""
    from worktrial.cli.output import print_funnel
    from worktrial.mine.filters import REASONS

    telling = mined.telling
    if telling is None:
        return
    share = telling.ai_share_median
    rows = [
        ("sessions", telling.sessions, f"{telling.single_turn} of one prompt, {telling.multi_turn} of several"),
        ("  linked to a commit", telling.sessions_linked, ""),
        ("commits linked", telling.linked, ", ".join(f"{name} {count}" for name, count in telling.by_link.items())),
        ("changes surely linked", telling.changes_linked, "" if share is None else f"median AI share {share:.0%}"),
    ]
    rows += [(f"  {reason}", count, REASONS[reason]) for reason, count in telling.unasked.items()]
    rows.append(("records not read", telling.torn + telling.unknown, f"{telling.torn} torn, {telling.unknown} unknown"))
    print_funnel("sessions", rows)


def _judged(mined: Mined, suite: Suite, model: str, config: Path | None) -> Mined:
    """Return what was mined with a model's word on the kind of work beside the rules'."""
    import asyncio
    from dataclasses import replace

    from worktrial.agents.questions import Judge
    from worktrial.cli.configuration import read_configuration
    from worktrial.cli.output import talk
    from worktrial.cli.progress import working
    from worktrial.mine.judging import agreement, judge, with_model_kinds

    asked = Judge(model, read_configuration(config).gateway)
    with working("Asking", len(mined.candidates)) as work:
        said = asyncio.run(
            judge(
                suite, mined.candidates, asked, lambda one: work.done(f"{one.of}: {one.error}" if one.error else None)
            )
        )
    same = ", ".join(f"{what} {count} of {total}" for what, (count, total) in agreement(said).items())
    failed = sum(bool(one.error) for one in said)
    talk.print(f"rules and {model} agree: {same}" + (f"; {failed} without an answer" if failed else ""), markup=False)
    return replace(mined, candidates=with_model_kinds(mined.candidates, said))


def _date(text: str | None) -> datetime | None:
    """Return the moment that `--since` names, UTC where it names no zone. Raises `UsageError`."""
    from worktrial.errors import UsageError

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"--since {text!r} is not a date", cause=str(error), hint="give an ISO date such as 2024-01-31"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _show(mined: Mined, suite: Suite) -> None:
    """Print the funnel."""
    _show_sessions(mined)
    from worktrial.cli.output import print_funnel
    from worktrial.mine.filters import REASONS

    rows = [("commits read", mined.commits_read, "")]
    rows += [(f"  {reason}", count, REASONS[reason]) for reason, count in mined.funnel().items()]
    rows.append(("candidates", len(mined.candidates), f"in {suite.path / 'candidates.jsonl'}"))
    print_funnel("mined", rows)
    _show_redactions(mined)


def _show_redactions(mined: Mined) -> None:
    """Print how much was replaced."""
    from collections import Counter

    from worktrial.cli.output import talk

    counts: Counter[str] = Counter()
    for item in mined.redactions:
        counts[item.kind] += item.count
    if counts:
        said = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
        talk.print(f"redacted: {said}", markup=False, soft_wrap=True)


def _fail_empty(mined: Mined) -> None:
    """Raise the error for a history without a candidate: nothing was written then."""
    from worktrial.errors import WorktrialError
    from worktrial.languages import names
    from worktrial.mine.filters import REASONS

    hints = {
        "no_tests": "worktrial needs changes that touch tests too; are the tests in another repository?",
        "missing_objects": "this clone was made without all files: make a full one, with no --filter",
        "shallow_boundary": "this clone is shallow: git fetch --unshallow",
        "root_commit": "the history is too short",
        "other_language": f"tasks can be in {' or '.join(names())}: give --language to choose between them",
    }
    funnel = mined.funnel()
    if not funnel:
        raise WorktrialError("no commit is in reach", hint="give an earlier --since or a larger --max-commits")
    reason, count = next(iter(funnel.items()))
    raise WorktrialError(
        "no change in this history can become a task; nothing was written",
        cause=f"{count} of {sum(funnel.values())} changes: {reason}, {REASONS[reason]}",
        hint=hints.get(reason, "read more of the history: a larger --max-commits, or an earlier --since"),
    )
