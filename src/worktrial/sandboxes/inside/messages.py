"""Messages between the parts of the engine: JSON and file descriptors over a SOCK_SEQPACKET socket, Python 3.8 up."""

from __future__ import annotations

import json
import os
import select
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_LONG = 64 * 1024
_MOST_HANDLES = 250
_CLOEXEC, _NO_SIGNAL, _RIGHTS = int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_NOSIGNAL), int(socket.SCM_RIGHTS)
"""As plain numbers: the named ones are put together in Python."""
_encode, _decode = json.JSONEncoder().encode, json.JSONDecoder().raw_decode
"""`json.loads` first looks for what is never sent, other encodings and space around, and that takes as long again."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a new connection."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def connection(handle: int) -> socket.socket:
    """Return the end of a connection that a file descriptor stands for."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, handle)


def send(to: socket.socket, message: dict[str, Any], handles: Sequence[int] = ()) -> None:
    """Send a message and copies of file descriptors. Raises `OSError` when the other end is gone."""
    data = _encode(message).encode()
    held = -1
    if len(data) > _LONG:  # more than a packet takes
        held = os.memfd_create("message", os.MFD_CLOEXEC)
        left = memoryview(data)
        while left:
            left = left[os.write(held, left) :]
        data, handles = b"", [*handles, held]
    try:
        ancillary = (
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(handles)}i", *handles))] if handles else []
        )
        to.sendmsg([b"J" + data], ancillary, _NO_SIGNAL)
    finally:
        if held >= 0:
            os.close(held)


def rehearse(source: socket.socket) -> None:
    """Send oneself a message, unless one waits at `source` already.

    What a forked process does for the first time takes long, as it gets its own copy of every page that it writes to,
    and it writes to all that it uses: objects are counted. So who has time does it once before it matters.
    """
    if not waits(source):
        sample = {"text": "text", "list": ["text"], "map": {"name": "text", "number": 1.5}, "number": 1, "none": None}
        _, handles = to_oneself(sample, (source.fileno(), source.fileno()))
        close_all(handles)


def waits(source: socket.socket) -> bool:
    """Tell whether there is a message, or there will be none."""
    poll = select.poll()
    poll.register(source.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def to_oneself(message: dict[str, Any], handles: Sequence[int]) -> tuple[dict[str, Any], list[int]]:
    """Send oneself a message, and return what was received."""
    one, other = pair()
    with one, other:
        send(one, message, handles)
        received = receive(other)
    if received is None:
        raise AssertionError("it was sent")
    return received


def close_all(handles: Sequence[int]) -> None:
    """Close file descriptors that were sent or received."""
    for handle in handles:
        os.close(handle)


def receive(source: socket.socket, flags: int = 0) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next message and its file descriptors, or None when the other end is closed."""
    space = socket.CMSG_SPACE(_MOST_HANDLES * 4)
    data, ancillary, _, _ = source.recvmsg(_LONG + 1, space, _CLOEXEC | flags)
    handles: list[int] = []
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            number = len(content) // 4
            handles += struct.unpack(f"{number}i", content[: number * 4])
    if not data:
        return None
    if len(data) == 1:
        held = handles.pop()
        try:
            data = b"J" + os.pread(held, os.fstat(held).st_size, 0)
        finally:
            os.close(held)
    message, _ = _decode(data[1:].decode())
    return message, handles
