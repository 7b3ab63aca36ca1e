"""Real workspaces, a real model server, and attempts made of both."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.agents.bench import Bench, Serve
from tests.tools.model_server import ModelServer, Script, Turn

from worktrial.sandboxes.protocol import Sandbox


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["WORKTRIAL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        os.environ.pop(name, None)


@pytest.fixture
def sandbox(strongest: Sandbox) -> Sandbox:
    """Return the strongest isolation this machine has."""
    return strongest


@pytest_asyncio.fixture
async def bench(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(sandbox, tmp_path)
    yield made
    for workspace in made.opened:
        await workspace.close()


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that starts a model server on a list of turns."""
    started: list[ModelServer] = []

    async def start(*turns: Turn, key: str | None = None) -> ModelServer:
        server = ModelServer([Script(turns)], key=key)
        await server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        await server.stop()
