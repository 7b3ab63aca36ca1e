"""What `worktrial mine` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from worktrial.analyse import words
from worktrial.cli.output import print_funnel, print_json, talk
from worktrial.cli.progress import command
from worktrial.cli.session_logs import asked_of, read_wanted, wanted_logs
from worktrial.errors import UsageError, WorktrialError
from worktrial.languages import load, names
from worktrial.mine.candidates import Mined, mine
from worktrial.mine.filters import REASONS
from worktrial.mine.save import check_folder, language_of, prefix_of, save
from worktrial.store.git import open_repository
from worktrial.store.suite import Suite


def find(given: Mapping[str, Any]) -> None:
    """Mine what the options ask for into the suite."""
    repo, redact, sessions = given["repo"], not given["no_redact"], given["sessions"]
    since = _date(given["since"])
    git = open_repository(repo)
    suite = check_folder(given["folder"], repo, git)
    language = load(given["language"] or language_of(suite, git))
    asked = asked_of(sessions, only=given["sessions_only"], consolidate=given["consolidate"])
    wanted = None if asked is None else read_wanted(wanted_logs(repo, sessions, yes=given["yes"]), asked, repo)
    with talk.status("reading commits") as status:
        mined = mine(
            git,
            prefix=prefix_of(suite, git),
            language=language,
            max_commits=given["max_commits"] or None,
            since=since,
            wanted=wanted,
            redact=redact,
            progress=status.update,
        )
    if mined.candidates and given["judge_model"] is not None:
        from worktrial.cli.judging import with_kinds  # the gateway is not for those who ask no model

        mined = with_kinds(mined, suite, given["judge_model"], given["config"])
    if mined.candidates:
        save(suite, repo, mined, redacted=redact, sessions=asked)
    _show(mined, suite)
    if given["as_json"]:
        said = {"funnel": mined.funnel(), "candidates": len(mined.candidates), "accepted": len(suite.task_ids())}
        print_json({**(_figures(mined) if mined.telling else {}), **said})
    if not mined.candidates:
        _fail_empty(mined)
    talk.print(f"Next: {command('validate', given['folder'])} --limit 20", markup=False, soft_wrap=True)


def _figures(mined: Mined) -> dict[str, Any]:
    """Return what there is to say of sessions."""
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


def _date(text: str | None) -> datetime | None:
    """Return the moment that `--since` names, UTC where it names no zone. Raises `UsageError`."""
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
    turned_down = mined.funnel()
    rows = [
        ("commits read", mined.commits_read, ""),
        ("changes", sum(turned_down.values()) + len(mined.candidates), "a merge is one, with all that it brought"),
    ]
    rows += [(f"  {reason}", count, REASONS[reason]) for reason, count in turned_down.items()]
    rows.append(("candidates", len(mined.candidates), f"in {suite.path / 'candidates.jsonl'}"))
    print_funnel("mined", rows)
    _show_redactions(mined)


def _show_redactions(mined: Mined) -> None:
    """Print how much was replaced."""
    counts: Counter[str] = Counter()
    for item in mined.redactions:
        counts[item.kind] += item.count
    if counts:
        said = ", ".join(words.count(count, kind) for kind, count in counts.most_common())
        talk.print(f"redacted: {said}", markup=False, soft_wrap=True)


def _fail_empty(mined: Mined) -> None:
    """Raise the error for a history without a candidate: nothing was written then."""
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
    # What was cut off may be more than all that is there.
    remedy = "shallow_boundary" if "shallow_boundary" in funnel else reason
    raise WorktrialError(
        "no change in this history can become a task; nothing was written",
        cause=f"{count} of {sum(funnel.values())} changes: {reason}, {REASONS[reason]}",
        hint=hints.get(remedy, "read more of the history: a larger --max-commits, or an earlier --since"),
    )
