"""Malformed input to a TLS server ends its connection, is logged once, and does not affect other connections.

handshake/test_handshake_errors.py tests failures that are not attacks.
"""

import asyncio
import re
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until
from support.tls_connections import manual_tls_connection
from tls.hostile_peers.malformed_input import MALFORMED_INPUTS, RANDOM, SendMalformed


def receive_until_end(peer: RawPeer) -> None:
    """Receive until the connection ends."""
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


@pytest.mark.parametrize("send_malformed", MALFORMED_INPUTS, ids=lambda send_malformed: send_malformed.__name__)
async def test_malformed_handshake_fails_alone_and_is_logged_once(
    send_malformed: SendMalformed,
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    served = 0

    async def echo(reader: Any, writer: Any) -> None:
        nonlocal served
        served += 1
        async for line in reader:
            writer.write(line)
        writer.close()
        await writer.wait_closed()

    def run_client(peer: RawPeer) -> None:
        try:
            send_malformed(peer, tls)
        except ConnectionError:
            return
        receive_until_end(peer)

    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        valid = await sluiceway.open_connection(
            *server_address(server), ssl=tls.client_context, server_hostname="localhost"
        )
        for _ in range(3):
            await raw_peers.run_client(server_address(server), run_client).finished()
            valid[1].write(b"still here\n")
            assert await valid[0].readline() == b"still here\n"
        valid[1].close()
        await valid[1].wait_closed()
        assert server.is_serving()
        assert server.failed_handshakes == 3
    assert served == 1
    (line,) = [
        record.getMessage() for record in caplog.records if record.name == "sluiceway" and record.levelname != "DEBUG"
    ]
    assert re.match(r"TLS handshake with 127\.0\.0\.1:\d+ on 127\.0\.0\.1:\d+ failed: \w", line)
    if loop_kind == "debug":
        # In debug mode the loop's exception handler gets each of them, with the peer's name.
        assert all(re.search(r"127\.0\.0\.1:\d+", str(context["exception"])) for context in loop_errors)
        loop_errors.clear()
    else:
        assert [record.name for record in caplog.records if record.levelname != "DEBUG"] == ["sluiceway"]
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("send_malformed", MALFORMED_INPUTS, ids=lambda send_malformed: send_malformed.__name__)
async def test_connect_to_a_server_that_sends_malformed_data_names_the_server(
    send_malformed: SendMalformed, raw_peers: RawPeers, tls: Certificates
) -> None:
    """The error contains the port of the server."""

    def serve(peer: RawPeer) -> None:
        peer.receive(1)
        try:
            send_malformed(peer, tls)
            peer.half_close()
        except OSError:  # closed before all was sent
            return
        receive_until_end(peer)

    script = raw_peers.serve(serve)
    with pytest.raises((ssl.SSLError, ConnectionError), match=rf"\b{script.address[1]}\b"):
        await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    await script.finished()


async def test_random_bytes_after_the_handshake_raise_after_the_data(raw_peers: RawPeers, tls: Certificates) -> None:
    """The data before the random bytes is delivered, and the next read raises an SSLError."""
    outcome: asyncio.Future[tuple[bytes, BaseException]] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        first = await reader.readexactly(5)
        try:
            await reader.read()
        except OSError as error:
            outcome.set_result((first, error))
        else:
            outcome.set_result((first, LookupError("no error")))
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass

    def run_client(peer: RawPeer) -> None:
        manual_tls = ManualTLS(peer, tls.client_context, server_hostname="localhost")
        manual_tls.do_handshake()
        peer.send(manual_tls.encrypt(b"hello") + RANDOM)
        receive_until_end(peer)

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        await raw_peers.run_client(server_address(server), run_client).finished()
        first, error = await outcome
    assert first == b"hello"
    assert isinstance(error, ssl.SSLError)
    assert not isinstance(error, ssl.SSLEOFError)


@pytest.mark.parametrize("size", [1, 7])
async def test_client_hello_in_small_segments_completes_the_handshake(
    size: int, raw_peers: RawPeers, tls: Certificates
) -> None:
    """A slow client sends each piece in a segment of its own."""

    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    def run_client(peer: RawPeer) -> bytes:
        manual_tls = ManualTLS(peer, tls.client_context, server_hostname="localhost")
        hello = manual_tls.first_flight()
        peer.send(*(hello[at : at + size] for at in range(0, len(hello), size)))
        manual_tls.do_handshake()
        said = manual_tls.encrypt(b"hello\n")
        peer.send(*(said[at : at + size] for at in range(0, len(said), size)))
        return manual_tls.receive_rest()

    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        assert await raw_peers.run_client(server_address(server), run_client).finished() == b"hello\n"


async def test_invalid_record_ends_a_connection_whose_peer_reads_nothing(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    """Pending data is discarded: a close that sends it first would wait for the peer."""
    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, peer, _):
        writer.write(bytes(1 << 24))
        assert writer.transport.get_write_buffer_size()
        peer.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError):
            await reader.read()
        with pytest.raises(ssl.SSLError):
            await writer.wait_closed()


async def test_protocol_that_raises_for_received_data_ends_the_connection_with_one_report(
    raw_peers: RawPeers, tls: Certificates, loop_errors: list[dict[str, Any]]
) -> None:
    class Failing(asyncio.Protocol):
        def __init__(self) -> None:
            self.lost_with: list[Exception | None] = []

        def data_received(self, data: bytes) -> None:
            raise MemoryError

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost_with.append(exc)

    async with manual_tls_connection("client", raw_peers, tls) as (_, writer, peer, manual_tls):
        streams = writer.transport.get_protocol()
        protocol = Failing()
        writer.transport.set_protocol(protocol)
        peer.send(manual_tls.encrypt(b"data"))
        await wait_until(lambda: protocol.lost_with)
        assert [type(error) for error in protocol.lost_with] == [MemoryError]
        assert [type(context["exception"]) for context in loop_errors] == [MemoryError]
        loop_errors.clear()
        streams.connection_lost(None)
