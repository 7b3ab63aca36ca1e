"""The scripted model server as a program."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from tests.tools.model_server import ModelServer, load_scripts


async def _serve(options: argparse.Namespace) -> None:
    scripts = load_scripts(options.script)
    server = ModelServer(scripts, key=options.key, record=options.record, split=options.split, pace_s=options.pace)
    sys.stdout.write(await server.start(options.port) + "\n")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def main() -> None:
    """Run as a program until interrupted."""
    parser = argparse.ArgumentParser(description="A scripted model server.")
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the only key taken; without it any is")
    parser.add_argument("--record", type=Path, help="append each request's path, status and body, no headers")
    parser.add_argument("--split", type=int, default=0, help="send streams in writes of so many bytes, not of an event")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between the writes of a stream")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
