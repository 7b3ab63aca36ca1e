"""Attacks by network, in all address families there are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.attacks.tiers import LIMITS, Opener, attack, reached, unconfined

from worktrial.sandboxes.inside.landlock import abi
from worktrial.sandboxes.landlock import Landlock, probe
from worktrial.sandboxes.protocol import Workspace

CALL = """
def call(name, family, kind, address):
    with attempt():
        with socket.socket(family, kind) as caller:
            caller.settimeout(3)
            caller.connect(address)
            caller.send(name.encode())
            if kind == socket.SOCK_STREAM or family == socket.AF_UNIX:
                reached(name)
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
tcp, tcp6, udp, vsock, abstract, path, path_datagram = sys.argv[1:]
call("tcp", socket.AF_INET, STREAM, ("127.0.0.1", int(tcp)))
call("tcp6", socket.AF_INET6, STREAM, ("::1", int(tcp6)))
call("udp", socket.AF_INET, DATAGRAM, ("127.0.0.1", int(udp)))
call("mapped", socket.AF_INET6, STREAM, ("::ffff:127.0.0.1", int(tcp)))
call("abstract", socket.AF_UNIX, STREAM, "\\0" + abstract)
call("path", socket.AF_UNIX, STREAM, path)
call("path datagram", socket.AF_UNIX, DATAGRAM, path_datagram)
for host in (1, 2):
    call("vsock", socket.AF_VSOCK, STREAM, (host, int(vsock)))
with attempt():
    pair = socket.socketpair(socket.AF_UNIX, DATAGRAM)[0]
    pair.sendto(b"pair", path_datagram)
    reached("pair")
with attempt():
    with socket.socket(socket.AF_INET, STREAM, 262) as caller:  # multipath TCP
        caller.settimeout(3)
        caller.connect(("127.0.0.1", int(tcp)))
        reached("multipath")
"""


class Listeners:
    """The host's sockets of every family that this machine has."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        def listening(family: int, kind: int, address: object) -> socket.socket:
            made = stack.enter_context(socket.socket(family, kind))
            made.bind(address)  # type: ignore[arg-type]
            if kind == socket.SOCK_STREAM:
                made.listen(32)
            return made

        self.udp = listening(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self.udp.setblocking(False)
        abstract = f"worktrial-{uuid.uuid4().hex}"
        listening(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}")
        path, datagram = folder / "stream", folder / "datagram"
        for kind, at in ((socket.SOCK_STREAM, path), (socket.SOCK_DGRAM, datagram)):
            listening(socket.AF_UNIX, kind, str(at))
            at.chmod(0o777)
        tcp = listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)).getsockname()[1]
        self.families = {"tcp", "udp", "abstract", "path", "path datagram", "pair"}
        tcp6 = vsock = 1
        with contextlib.suppress(OSError):
            tcp6 = listening(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)).getsockname()[1]
            self.families |= {"tcp6"}
        with contextlib.suppress(OSError):
            vsock = listening(socket.AF_VSOCK, socket.SOCK_STREAM, (socket.VMADDR_CID_ANY, 0xFFFFFFFF)).getsockname()[1]
        self.arguments = (tcp, tcp6, self.udp.getsockname()[1], vsock, abstract, path, datagram)

    def heard(self) -> set[str]:
        """Return what came by UDP, which no sender can know of."""
        with contextlib.suppress(BlockingIOError):
            return {self.udp.recv(100).decode()}
        return set()


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    with contextlib.ExitStack() as stack:
        folder = Path("/tmp", f"wt-{uuid.uuid4().hex[:12]}")  # a unix socket's path has at most 107 bytes
        folder.mkdir(mode=0o755)
        stack.callback(shutil.rmtree, folder)
        yield Listeners(stack, folder)


@pytest_asyncio.fixture
async def landlock() -> AsyncIterator[Workspace]:
    found = probe()
    if not found.works:
        pytest.skip(found.cause)
    workspace = await Landlock().open((), LIMITS)
    yield workspace
    await workspace.close()


async def test_nothing_of_the_host_s_is_reached_in_any_address_family(opened: Opener, listeners: Listeners) -> None:
    """A pair of datagram sockets is among them: it could be pointed at any other."""
    command = attack(CALL, *listeners.arguments)
    free = await unconfined(command) | listeners.heard()
    assert free >= listeners.families
    said = reached(await (await opened()).run(command))
    await asyncio.sleep(0)
    assert not said
    assert not listeners.heard()


async def test_raw_and_kernel_sockets_are_not_to_be_had(opened: Opener) -> None:
    script = """
kinds = {
    "raw": (socket.AF_INET, socket.SOCK_RAW, 1), "raw6": (socket.AF_INET6, socket.SOCK_RAW, 58),
    "packet": (17, socket.SOCK_RAW, 0x300), "packet datagram": (17, socket.SOCK_DGRAM, 0),
    "netfilter": (16, socket.SOCK_RAW, 12), "audit": (16, socket.SOCK_RAW, 9), "uevent": (16, socket.SOCK_RAW, 15),
}
for name, kind in kinds.items():
    with attempt():
        made = socket.socket(*kind)
        if name == "uevent":
            made.bind((0, 1))
        reached(name)
"""
    free = await unconfined(attack(script))
    if os.geteuid() == 0:
        assert {"raw", "packet"} <= free
    assert not reached(await (await opened()).run(attack(script))) & {"raw", "raw6", "packet", "packet datagram"}


async def test_the_network_cannot_be_set_up_and_names_cannot_be_asked_for(opened: Opener) -> None:
    script = """
import fcntl, struct, subprocess
with attempt():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.sendto(b"x", ("192.0.2.1", 53))
    reached("routed")
with attempt():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(made, 0x8914, struct.pack("16sh14x", b"lo", 0))  # SIOCSIFFLAGS: down
    reached("set up")
with attempt():
    for line in open("/proc/net/dev"):
        name = line.partition(":")[0].strip()
        if ":" in line and name not in ("lo", "sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0"):
            with attempt():
                socket.if_nametoindex(name)
                reached("interface")
"""
    done = await (await opened()).run(attack(script))
    assert not reached(done)


THROUGH_A_PORT = """
def call(name, kind, protocol, port, how="connect"):
    with attempt():
        with socket.socket(socket.AF_INET, kind, protocol) as caller:
            caller.settimeout(3)
            if how == "connect":
                caller.connect(("127.0.0.1", port))
                caller.send(b"x")
            else:
                caller.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", port))
            reached(name)
allowed, other, udp = map(int, sys.argv[1:])
call("allowed", socket.SOCK_STREAM, 0, allowed)
call("other", socket.SOCK_STREAM, 0, other)
call("with the first packet", socket.SOCK_STREAM, 0, other, "fast")
call("multipath", socket.SOCK_STREAM, 262, other)
call("multipath to the allowed", socket.SOCK_STREAM, 262, allowed)
call("datagram", socket.SOCK_DGRAM, 0, udp)
with attempt():
    with socket.socket() as server:
        server.listen(1)
        reached("listening")
with attempt():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        reached("bound")
for family in (socket.AF_INET6, socket.AF_UNIX, 16, 17, 40):
    with attempt():
        socket.socket(family, socket.SOCK_STREAM if family != 16 else socket.SOCK_RAW)
        reached(f"family {family}")
"""


@pytest.mark.skipif(not abi() >= 4, reason="before Linux 6.7 Landlock cannot tell TCP ports apart")
async def test_where_a_port_is_the_way_to_the_gateway_it_is_the_only_way_out(
    landlock: Workspace, listeners: Listeners
) -> None:
    with socket.socket() as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.listen(8)
        port = gateway.getsockname()[1]
        command = attack(THROUGH_A_PORT, port, listeners.arguments[0], listeners.arguments[2])
        free = await unconfined(command)
        assert free >= {"allowed", "other", "datagram", "listening", "bound", "family 1"}
        assert reached(await landlock.run(replace(command, port=port))) == {"allowed"}
        assert reached(await landlock.run(command)) == set()
