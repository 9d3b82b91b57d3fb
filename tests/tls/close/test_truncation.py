"""T3: EOF without close_notify is a truncation: data is delivered, and eof_reason and strict_eof distinguish it."""

import asyncio
import contextlib
import ssl
import types
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import start_task
from support.tls_connections import TLS_ROLES, tls_connection

DATA = b"one\ntwo"

Read = Callable[[Any], Any]

READS: list[Read] = [
    lambda reader: reader.read(),
    lambda reader: reader.read(5),
    lambda reader: reader.readline(),
    lambda reader: reader.readuntil(b"|"),
    lambda reader: reader.readexactly(5),
]
each_read = pytest.mark.parametrize("read", READS, ids=["to the end", "some", "line", "until", "exactly"])
each_role = pytest.mark.parametrize("role", TLS_ROLES)


def send_data_then_fin(peer: RawPeer) -> None:
    """Send DATA, wait for the signal, and send FIN without close_notify."""
    peer.send(DATA)
    peer.wait_for("send FIN")
    peer.half_close()
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


@each_role
async def test_truncated_stream_delivers_its_data_and_reports_truncated(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with tls_connection(role, raw_peers, tls, send_data_then_fin) as (reader, writer, script):
        script.signal("send FIN")
        assert await reader.read() == DATA
        assert reader.at_eof()
        assert reader.eof_reason == "truncated"
        assert await reader.read() == b""
        assert await reader.read(10) == b""
        writer.close()
        await writer.wait_closed()
        assert reader.eof_reason == "truncated"


@pytest.mark.parametrize("read", [READS[3], lambda reader: reader.readexactly(100)], ids=["readuntil", "readexactly"])
@pytest.mark.parametrize("waiting", [True, False])
async def test_incomplete_read_of_a_truncated_stream_has_the_ssl_error_as_its_cause(
    read: Read, waiting: bool, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with tls_connection("client", raw_peers, tls, send_data_then_fin) as (reader, _, script):
        if waiting:
            reading = await start_task(read(reader))
            script.signal("send FIN")
        else:
            script.signal("send FIN")
            assert await reader.readline() == b"one\n"
            reading = read(reader)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reading
        assert caught.value.partial == (DATA if waiting else b"two")
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError)


@each_role
async def test_readline_of_a_truncated_stream_returns_the_partial_line(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """T3: as at every EOF in asyncio; eof_reason tells a truncation from a last line without a newline."""
    async with tls_connection(role, raw_peers, tls, send_data_then_fin) as (reader, _, script):
        assert await reader.readline() == b"one\n"
        reading = await start_task(reader.readline())
        script.signal("send FIN")
        assert await reading == b"two"
        assert reader.eof_reason == "truncated"
        assert await reader.readline() == b""


@each_role
async def test_strict_eof_readline_raises_and_keeps_the_partial_line(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with tls_connection(role, raw_peers, tls, send_data_then_fin, strict_eof=True) as (reader, _, script):
        assert await reader.readline() == b"one\n"
        reading = await start_task(reader.readline())
        script.signal("send FIN")
        with pytest.raises(ssl.SSLEOFError):
            await reading
        # The error leaves the data in the buffer.
        assert await reader.read(100) == b"two"


async def test_strict_eof_async_for_raises_after_the_complete_lines(raw_peers: RawPeers, tls: Certificates) -> None:
    lines = []
    async with tls_connection("client", raw_peers, tls, send_data_then_fin, strict_eof=True) as (reader, _, script):
        script.signal("send FIN")
        with pytest.raises(ssl.SSLEOFError):
            async for line in reader:
                lines.append(line)  # noqa: PERF401 - a comprehension would lose what came before the error
    assert lines == [b"one\n"]


async def test_complete_reads_before_a_truncation_succeed(raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, send_data_then_fin) as (reader, _, script):
        script.signal("send FIN")
        assert await reader.readexactly(3) == b"one"
        assert await reader.readuntil(b"\n") == b"\n"
        assert await reader.readexactly(3) == b"two"
        assert await reader.readline() == b""
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(1)
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError)


@each_role
async def test_waiting_read_returns_eof_at_a_truncation(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection(role, raw_peers, tls, send_data_then_fin) as (reader, _, script):
        assert await reader.readexactly(len(DATA)) == DATA
        reading = await start_task(reader.read(100))
        assert reader.eof_reason is None
        script.signal("send FIN")
        assert await reading == b""
        assert reader.eof_reason == "truncated"


# -- strict_eof=True ------------------------------------------------------------------------------------------------


@each_read
@each_role
async def test_strict_eof_every_read_after_the_data_raises(
    role: str, read: Read, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with tls_connection(role, raw_peers, tls, send_data_then_fin, strict_eof=True) as (reader, _, script):
        script.signal("send FIN")
        assert await reader.readexactly(len(DATA)) == DATA
        for _ in range(2):
            with pytest.raises(ssl.SSLEOFError):
                await read(reader)
        assert reader.eof_reason == "truncated"


@each_read
async def test_strict_eof_waiting_read_raises(read: Read, raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, send_data_then_fin, strict_eof=True) as (reader, _, script):
        assert await reader.readexactly(len(DATA)) == DATA
        reading = await start_task(read(reader))
        script.signal("send FIN")
        with pytest.raises(ssl.SSLEOFError):
            await reading


@each_role
async def test_strict_eof_loop_of_writes_and_drains_raises(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """W6: also if drain() finds the transport closing, so that the reader has no error yet."""
    async with tls_connection(role, raw_peers, tls, send_data_then_fin, strict_eof=True) as (reader, writer, script):
        script.signal("send FIN")
        with pytest.raises(ssl.SSLEOFError):
            while True:
                writer.write(b"x")
                await writer.drain()
        assert await reader.readexactly(len(DATA)) == DATA


async def test_strict_eof_reads_return_all_data_before_the_error(raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, send_data_then_fin, strict_eof=True) as (reader, _, script):
        script.signal("send FIN")
        parts = []
        with pytest.raises(ssl.SSLEOFError):
            while True:
                parts.append(await reader.read(4))
        assert b"".join(parts) == DATA


async def test_strict_eof_error_names_the_peer(raw_peers: RawPeers, tls: Certificates) -> None:
    async with tls_connection("client", raw_peers, tls, send_data_then_fin, strict_eof=True) as (
        reader,
        writer,
        script,
    ):
        script.signal("send FIN")
        assert await reader.readexactly(len(DATA)) == DATA
        with pytest.raises(ssl.SSLEOFError, match=str(writer.get_extra_info("peername")[1])):
            await reader.read(1)


@each_role
async def test_strict_eof_close_notify_raises_no_error(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
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


async def test_close_of_a_unix_socket_without_close_notify_is_no_error_of_the_connection(
    streams: types.ModuleType, raw_peers: RawPeers, tls: Certificates, unix_path: str
) -> None:
    """The kernel refuses the answer to the end, an alert, with EPIPE. Over TCP it accepts it."""

    def leave(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(DATA)

    script = raw_peers.serve(leave, unix=unix_path)
    reader, writer = await streams.open_unix_connection(unix_path, ssl=tls.client_context, server_hostname="localhost")
    assert await reader.read() == DATA
    writer.close()
    await writer.wait_closed()
    assert reader.exception() is None
    await script.finished()


async def test_close_notify_that_a_unix_socket_refuses_is_not_unsent_data(
    raw_peers: RawPeers, tls: Certificates, unix_path: str
) -> None:
    script = raw_peers.serve(lambda peer: peer.start_tls(tls.server_context, server_side=True), unix=unix_path)
    pair = await sluiceway.open_unix_connection(unix_path, ssl=tls.client_context, server_hostname="localhost")
    stream = sluiceway.Stream.from_pair(*pair)
    await script.finished()
    assert await stream.read() == b""
    info = await stream.aclose()
    assert (info.flushed, info.unsent_bytes, info.reason) == (True, 0, "closed")


async def test_strict_eof_applies_to_unix_servers_and_clients(
    raw_peers: RawPeers, tls: Certificates, unix_path: str
) -> None:
    result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
            await reader.read(1)
        except ssl.SSLEOFError:
            result.set_result("error")
        else:
            result.set_result("no error")
        writer.close()

    def visit(peer: RawPeer) -> None:
        peer.start_tls(tls.client_context, server_hostname="localhost")
        peer.send(b"x")
        peer.half_close()
        peer.receive_rest()

    async with await sluiceway.start_unix_server(handle, unix_path, ssl=tls.server_context, strict_eof=True):
        await raw_peers.run_client(unix_path, visit).finished()
        assert await result == "error"

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
