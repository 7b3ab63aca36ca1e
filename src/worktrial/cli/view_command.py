"""What `worktrial view` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import Any

import click

from worktrial.cli.configuration import read_configuration
from worktrial.cli.output import print_json, talk
from worktrial.store.run import RunDir
from worktrial.view.pages import Pages
from worktrial.view.server import View


def run(given: Mapping[str, Any]) -> int:
    """Serve until interrupted, which is the way to end it and so no failure."""
    pages = Pages(RunDir.open(given["run"]), read_configuration(given["config"]))
    asyncio.run(_serve(pages, given["port"], as_json=given["as_json"]))
    return 0


async def _serve(pages: Pages, port: int, *, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    view = View(pages)
    address = await view.start(port)
    try:
        if as_json:
            print_json({"url": address})
        else:
            click.echo(address)
        talk.print("Ctrl-C ends it.", markup=False)
        await stop.wait()
    finally:
        await view.stop()
