"""The first process of every container: it runs one command, or holds the files of a workspace.

It is another user than the command, cannot be traced, and is pid 1: the command can neither stop it, nor read what it
holds, nor outlive it. It ends when its standard input does, and that is when whoever asked for it is gone. This file
runs inside, alone with its neighbours: standard library, Python 3.8 or newer.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "-shared")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import files
import frames
import supervise

_PR_SET_DUMPABLE = 4


def main() -> None:
    """Read what to do, and do it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    reader = frames.Frames()
    pending = []
    while not pending:
        data = os.read(0, 65536)
        if not data:
            return
        pending = list(reader.feed(data))
    spec = json.loads(pending.pop(0)[1])
    if spec["mode"] == "run":
        supervise.run(spec, reader, pending)
    elif spec["mode"] == "hold":
        files.hold(spec, reader, pending)
    else:
        files.snapshot(spec)


if __name__ == "__main__":
    main()
