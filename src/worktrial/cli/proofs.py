"""Before agents are let at a suite: every task has its proof that the workspace holds no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from worktrial.cli.output import talk
from worktrial.cli.progress import working
from worktrial.errors import FormatError, first_error
from worktrial.formats.task import Task
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.git import Git
from worktrial.store.suite import Suite


async def require_proofs(suite: Suite, sandbox: Sandbox, tasks: Iterable[Task], scratch: Path, jobs: int) -> None:
    """Make the proofs that are missing or of other trees, another environment or method, and keep them.

    Raises `FormatError` for a task whose workspace gives its solution away, `SandboxError` and the like when it cannot
    be searched.
    """
    from worktrial.curate.leaks import stands

    wanted = [task for task in tasks if not stands(suite.leak_proof(task.id), task)]
    if not wanted:
        return
    talk.print(f"{len(wanted)} tasks have no proof yet that their workspace holds no answer", markup=False)
    git = suite.open_store(scratch)
    places = asyncio.Semaphore(jobs)
    with working("Searching", len(wanted)) as work, first_error():
        async with asyncio.TaskGroup() as group:
            for task in wanted:
                group.create_task(_prove(suite, git, sandbox, task, places)).add_done_callback(
                    lambda _: work.done(None)
                )


async def _prove(suite: Suite, git: Git, sandbox: Sandbox, task: Task, places: asyncio.Semaphore) -> None:
    from worktrial.curate.leaks import Secret, prove_no_leaks, refusal
    from worktrial.grade.assemble import solution_tree
    from worktrial.languages import load
    from worktrial.sandboxes.layers import tree_layer

    async with places:
        await asyncio.to_thread(solution_tree, git, suite, task)  # writes the trees to search for
        layer = await asyncio.to_thread(tree_layer, git, task.base_tree)
        language = load(task.language)
        environment = await language.build(suite.environment(task.environment), sandbox, layer.files)
        secret = Secret(task.base_tree, task.tests_tree, task.solution_tree)
        proof = await prove_no_leaks(git, sandbox, language, environment, secret)
    if proof.findings:
        raise FormatError(
            f"an agent could find the solution of task {task.id}",
            cause=refusal(proof)["detail"],
            hint="validate the suite again, or leave the task out with --task",
        )
    suite.write_leak_proof(task.id, proof)
