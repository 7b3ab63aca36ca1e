"""Choosing an environment: those that a candidate may be meant for, tried by its own tests."""

from __future__ import annotations

import asyncio
import itertools
from datetime import date
from functools import partial

from worktrial.curate.bench import Bench
from worktrial.errors import EnvironmentBuildError
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import EnvironmentUse
from worktrial.formats.task import Environment
from worktrial.languages import load
from worktrial.languages.protocol import BuiltEnvironment, TestPlan
from worktrial.sandboxes.layers import tree_layer
from worktrial.store.cache import cache_dir
from worktrial.store.scratch import check_room

_ASK_S = 20.0
"""Seconds of tests that are enough to tell whether an environment is any good."""


class Environments:
    """The environments that the candidates of one validation are tried in."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._asking: dict[str, asyncio.Lock] = {}
        self._serving: dict[str, set[str]] = {}
        """Test files of which a test passed, by environment."""

    async def choose(self, candidate: Candidate) -> tuple[Environment, BuiltEnvironment]:
        """Return the environment in which the candidate's own tests do best with the solution.

        Tried are those of the change's date in *parent* mode, then today's, each first with what is declared for tests
        and then with every optional dependency; the first in which a test passes and all files can be imported is
        taken. Raises `EnvironmentBuildError` when none can be built.
        """
        dates = [candidate.landed_at.date(), None] if self._bench.trees(candidate).mode == "parent" else [None]
        best: tuple[Environment, BuiltEnvironment] | None = None
        most = -1
        failure: EnvironmentBuildError | None = None
        tried: set[str] = set()
        for as_of, wide in itertools.product(dates, (False, True)):
            try:
                found = await self._built(candidate, as_of=as_of, wide=wide)
            except EnvironmentBuildError as error:
                check_room(cache_dir())
                self._bench.record(candidate, EnvironmentUse(key="", error=str(error)))
                failure = failure or error
                continue
            if found[1].key in tried:
                continue
            tried.add(found[1].key)
            use = await self._ask(candidate, found[1])
            if use.passing and use.whole:
                return found
            if use.passing > most:
                best, most = found, use.passing
        if best is None:
            raise failure or EnvironmentBuildError("no environment was tried")
        return best

    async def _built(
        self, candidate: Candidate, *, as_of: date | None, wide: bool
    ) -> tuple[Environment, BuiltEnvironment]:
        trees, language = self._bench.trees(candidate), load(candidate.language)
        # What is declared is that of the solution; what is built over the base has nothing of the solution in it.
        base = await asyncio.to_thread(tree_layer, self._bench.git, trees.base_tree)
        solution = await asyncio.to_thread(tree_layer, self._bench.git, trees.solution_tree)
        read = partial(self._bench.git.file_text, trees.solution_tree)
        with self._bench.activity.doing("preparing environments"):
            recipe = await language.resolve(read, self._bench.sandbox, solution.files, as_of=as_of, wide=wide)
            return recipe, await language.build(recipe, self._bench.sandbox, base.files)

    async def _ask(self, candidate: Candidate, environment: BuiltEnvironment) -> EnvironmentUse:
        """Return how the candidate's touched tests do in an environment, from the evidence when it is there.

        Files that did well for another candidate are not asked again.
        """
        for record in self._bench.records(candidate):
            if isinstance(record, EnvironmentUse) and record.key == environment.key:
                return record
        language, tree = load(candidate.language), self._bench.trees(candidate).solution_tree
        files = [
            path for path in candidate.paths("test") if path in self._bench.files(tree) and language.holds_tests(path)
        ]
        async with self._asking.setdefault(environment.key, asyncio.Lock()):
            serving = self._serving.setdefault(environment.key, set())
            if files and serving.issuperset(files):
                use = EnvironmentUse(key=environment.key, passing=len(files), whole=True)
            else:
                plan = TestPlan(files=tuple(files), everything=not files, stop_after_s=_ASK_S)
                report = await self._bench.test(language, tree, environment, plan, self._bench.settings.timeout_s)
                passing = [test for test, status in report.statuses.items() if status == "passed"]
                serving.update(test.split("::", 1)[0] for test in passing)
                use = EnvironmentUse(
                    key=environment.key,
                    passing=len(passing),
                    whole="uncollected" not in report.statuses.values(),
                    wall_s=round(report.wall_s, 3),
                )
        self._bench.record(candidate, use)
        return use
