"""T3: a TCP end without close_notify is a truncation: what came is delivered, and never passes for whole."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import start_task
from support.tls_connections import TLS_ROLES, tls_connection

DATA = b"one\ntwo"

Reading = Callable[[Any], Any]

EVERY_READ: list[Reading] = [
    lambda reader: reader.read(),
    lambda reader: reader.read(5),
    lambda reader: reader.readline(),
    lambda reader: reader.readuntil(b"|"),
    lambda reader: reader.readexactly(5),
]
every_read = pytest.mark.parametrize("read", EVERY_READ, ids=["to the end", "some", "line", "until", "exactly"])
every_side = pytest.mark.parametrize("role", TLS_ROLES)


def cut(peer: RawPeer) -> None:
    """Say something, then FIN and no close_notify; at least the FIN waits until it is told to go."""
    peer.send(DATA)
    peer.wait_for("cut")
    peer.half_close()
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


@every_side
async def test_everything_that_came_is_delivered(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection(role, raw_peers, tls, cut) as (reader, writer, script):
        script.signal("cut")
        assert await reader.read() == DATA
        assert reader.at_eof()
        assert reader.eof_reason == "truncated"
        assert await reader.read() == b""
        assert await reader.read(10) == b""
        writer.close()
        await writer.wait_closed()
        assert reader.eof_reason == "truncated"


@pytest.mark.parametrize(
    "read", [EVERY_READ[3], lambda reader: reader.readexactly(100)], ids=["readuntil", "readexactly"]
)
@pytest.mark.parametrize("waiting", [True, False])
async def test_a_part_of_a_record_is_an_error_with_its_cause(
    read: Reading, waiting: bool, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with tls_connection("client", raw_peers, tls, cut) as (reader, _, script):
        if waiting:
            reading = await start_task(read(reader))
            script.signal("cut")
        else:
            script.signal("cut")
            assert await reader.readline() == b"one\n"
            reading = read(reader)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reading
        assert caught.value.partial == (DATA if waiting else b"two")
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError)


@every_side
async def test_the_part_of_a_line_has_no_newline(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """As at every end of input in asyncio; who must tell it from the last line of a file asks why it ended."""
    async with tls_connection(role, raw_peers, tls, cut) as (reader, _, script):
        assert await reader.readline() == b"one\n"
        reading = await start_task(reader.readline())
        script.signal("cut")
        assert await reading == b"two"
        assert reader.eof_reason == "truncated"
        assert await reader.readline() == b""


@every_side
async def test_strict_the_part_of_a_line_is_no_line(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection(role, raw_peers, tls, cut, strict_eof=True) as (reader, _, script):
        assert await reader.readline() == b"one\n"
        reading = await start_task(reader.readline())
        script.signal("cut")
        with pytest.raises(ssl.SSLEOFError):
            await reading
        # The error has not taken it along.
        assert await reader.read(100) == b"two"


async def test_strict_lines_end_with_the_error(raw_peers: RawPeers, tls: Certificates) -> None:
    lines = []
    async with tls_connection("client", raw_peers, tls, cut, strict_eof=True) as (reader, _, script):
        script.signal("cut")
        with pytest.raises(ssl.SSLEOFError):
            async for line in reader:
                lines.append(line)  # noqa: PERF401 - a comprehension would lose what came before the error
    assert lines == [b"one\n"]


async def test_whole_records_before_it_are_whole(raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, cut) as (reader, _, script):
        script.signal("cut")
        assert await reader.readexactly(3) == b"one"
        assert await reader.readuntil(b"\n") == b"\n"
        assert await reader.readexactly(3) == b"two"
        assert await reader.readline() == b""
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(1)
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError)


@every_side
async def test_a_read_that_waits(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection(role, raw_peers, tls, cut) as (reader, _, script):
        assert await reader.readexactly(len(DATA)) == DATA
        reading = await start_task(reader.read(100))
        assert reader.eof_reason is None
        script.signal("cut")
        assert await reading == b""
        assert reader.eof_reason == "truncated"


# -- asked to be an error -------------------------------------------------------------------------------------------


@every_read
@every_side
async def test_strict_every_read_after_the_data_raises(
    role: str, read: Reading, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with tls_connection(role, raw_peers, tls, cut, strict_eof=True) as (reader, _, script):
        script.signal("cut")
        assert await reader.readexactly(len(DATA)) == DATA
        for _ in range(2):
            with pytest.raises(ssl.SSLEOFError):
                await read(reader)
        assert reader.eof_reason == "truncated"


@every_read
async def test_strict_a_read_that_waits_raises(read: Reading, raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, cut, strict_eof=True) as (reader, _, script):
        assert await reader.readexactly(len(DATA)) == DATA
        reading = await start_task(read(reader))
        script.signal("cut")
        with pytest.raises(ssl.SSLEOFError):
            await reading


async def test_strict_delivers_the_data_first(raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, cut, strict_eof=True) as (reader, _, script):
        script.signal("cut")
        parts = []
        with pytest.raises(ssl.SSLEOFError):
            while True:
                parts.append(await reader.read(4))
        assert b"".join(parts) == DATA


async def test_strict_the_error_names_the_peer(raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, cut, strict_eof=True) as (reader, writer, script):
        script.signal("cut")
        assert await reader.readexactly(len(DATA)) == DATA
        with pytest.raises(ssl.SSLEOFError, match=str(writer.get_extra_info("peername")[1])):
            await reader.read(1)


@every_side
async def test_strict_close_notify_is_no_error(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    def leave(peer: RawPeer) -> None:
        peer.send(DATA)
        peer.unwrap_tls()

    async with tls_connection(role, raw_peers, tls, leave, strict_eof=True) as (reader, writer, script):
        assert await reader.read() == DATA
        assert await reader.read(1) == b""
        assert reader.eof_reason == "clean"
        writer.close()
        await writer.wait_closed()
        await script.finished()


async def test_strict_over_unix_sockets(raw_peers: RawPeers, tls: Certificates, unix_path: str) -> None:
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
            await reader.read(1)
        except ssl.SSLEOFError:
            ended.set_result("refused")
        else:
            ended.set_result("taken")
        writer.close()

    def visit(peer: RawPeer) -> None:
        peer.start_tls(tls.client_context, server_hostname="localhost")
        peer.send(b"x")
        peer.half_close()
        peer.receive_rest()

    async with await sluiceway.start_unix_server(handle, unix_path, ssl=tls.server_context, strict_eof=True):
        await raw_peers.run_client(unix_path, visit).finished()
        assert await ended == "refused"

    def serve(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"x")
        peer.half_close()
        peer.receive_rest()

    script = raw_peers.serve(serve, unix=unix_path + "2")
    reader, writer = await sluiceway.open_unix_connection(
        unix_path + "2", ssl=tls.client_context, server_hostname="localhost", strict_eof=True
    )
    assert await reader.read(1) == b"x"
    with pytest.raises(ssl.SSLEOFError):
        await reader.read(1)
    writer.close()
    with contextlib.suppress(ssl.SSLEOFError):
        await writer.wait_closed()
    await script.finished()
