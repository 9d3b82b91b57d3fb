"""T1: TLS at connect and listen: contexts, True, server names, ALPN, client certificates."""

import asyncio
import socket
import ssl
import types
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeers


async def closed(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def echo(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
    writer.close()


async def said(reader: Any, writer: Any, line: bytes = b"hello\n") -> bool:
    writer.write(line)
    answer: bytes = await reader.readline()
    return answer == line


async def test_both_sides(streams: types.ModuleType, tls: Certificates) -> None:
    async with connected_pair(streams, server={"ssl": tls.server_context}, client={"ssl": tls.client_context}) as (
        (reader, writer),
        (server_reader, server_writer),
    ):
        writer.write(b"to the server\n")
        assert await server_reader.readline() == b"to the server\n"
        server_writer.write(b"to the client\n")
        assert await reader.readline() == b"to the client\n"
        for one in (writer, server_writer):
            assert isinstance(one.get_extra_info("ssl_object"), ssl.SSLObject)
            assert one.get_extra_info("cipher")[0]
            assert isinstance(one.get_extra_info("sslcontext"), ssl.SSLContext)


async def test_true_is_the_default_context(
    tls: Certificates, monkeypatch: pytest.MonkeyPatch, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """It trusts what the system trusts, and that is not the tests' authority; SSL_CERT_FILE makes it so."""
    server = await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context)
    with pytest.raises(ssl.SSLCertVerificationError):
        await sluiceway.open_connection(*server_address(server), ssl=True)
    for _ in range(10):
        await asyncio.sleep(0)
    if loop_kind == "debug":
        loop_errors.clear()  # there the server tells of the handshake that failed
    monkeypatch.setenv("SSL_CERT_FILE", tls.ca_file)
    reader, writer = await sluiceway.open_connection(*server_address(server), ssl=True)
    assert await said(reader, writer)
    await closed(writer)
    server.close()
    await server.wait_closed()


async def test_false_is_no_tls(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address, ssl=False)
    peer = listener.accept()
    writer.write(b"plain")
    assert await peer.in_thread(peer.receive, 5) == b"plain"
    await closed(writer)


async def test_over_a_unix_socket(tls: Certificates, unix_path: str) -> None:
    async with await sluiceway.start_unix_server(echo, unix_path, ssl=tls.server_context):
        reader, writer = await sluiceway.open_unix_connection(
            unix_path, ssl=tls.client_context, server_hostname="localhost"
        )
        assert await said(reader, writer)
        await closed(writer)


@pytest.mark.parametrize(("host", "given", "expected"), [
    ("127.0.0.1", "localhost", "localhost"),
    ("127.0.0.1", None, None),
    ("localhost", None, "localhost"),
    (b"localhost", None, "localhost"),
])  # fmt: skip
async def test_the_server_is_told_the_name(
    host: Any, given: str | None, expected: str | None, tls: Certificates
) -> None:
    """An address is no name for SNI, a host and a server_hostname are."""
    told: list[str | None] = []
    context = tls.new_server_context()
    context.sni_callback = lambda sslobject, name, context: told.append(name)
    options = {} if given is None else {"server_hostname": given}
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        reader, writer = await sluiceway.open_connection(
            host, server_address(server)[1], ssl=tls.client_context, family=socket.AF_INET, **options
        )
        assert await said(reader, writer)
        await closed(writer)
    assert told == [expected]


async def test_server_hostname_empty_checks_no_name(tls: Certificates) -> None:
    context = tls.new_client_context()
    context.check_hostname = False
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server), ssl=context, server_hostname="")
        assert await said(reader, writer)
        await closed(writer)


async def test_alpn(tls: Certificates) -> None:
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    server_context.set_alpn_protocols(["h2", "http/1.1"])
    client_context.set_alpn_protocols(["http/1.1"])
    async with connected_pair(sluiceway, server={"ssl": server_context}, client={"ssl": client_context}) as (near, far):
        for _, writer in (near, far):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_a_clients_certificate(tls: Certificates, tmp_path: Any) -> None:
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    server_context.verify_mode = ssl.CERT_REQUIRED
    tls.authority.issue_cert("client.example").configure_cert(client_context)
    async with connected_pair(sluiceway, server={"ssl": server_context}, client={"ssl": client_context}) as (near, far):
        assert ("DNS", "client.example") in far[1].get_extra_info("peercert")["subjectAltName"]
        assert await _crosses(near, far)


async def _crosses(near: Any, far: Any) -> bool:
    near[1].write(b"across\n")
    line: bytes = await far[0].readline()
    return line == b"across\n"


async def test_what_is_known_stays_known_after_close(tls: Certificates) -> None:
    """T5"""
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client={"ssl": tls.client_context}) as (
        near,
        _,
    ):
        writer = near[1]
        names = ("peername", "sockname", "cipher", "peercert", "sslcontext", "ssl_object")
        before = [writer.get_extra_info(name) for name in names]
        assert all(before)
        await closed(writer)
        assert [writer.get_extra_info(name) for name in names] == before


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_large_transfer_both_ways(version: ssl.TLSVersion, tls: Certificates) -> None:
    context = tls.new_client_context()
    context.minimum_version = context.maximum_version = version
    data = bytes(range(256)) * (8 << 12)
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client={"ssl": context}) as (near, far):

        async def send(writer: Any) -> None:
            for start in range(0, len(data), 100_000):
                writer.write(data[start : start + 100_000])
                await writer.drain()

        async def receive(reader: Any) -> bool:
            received = bytearray()
            while len(received) < len(data):
                received += await reader.read(65536)
            return received == data

        _, _, there, back = await asyncio.gather(send(near[1]), send(far[1]), receive(far[0]), receive(near[0]))
        assert there
        assert back


async def test_closing_sends_everything_first(tls: Certificates, raw_peers: RawPeers) -> None:
    data = bytes(range(256)) * 4096

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(data)
        writer.close()
        await writer.wait_closed()

    def receive(peer: Any) -> Any:
        peer.start_tls(tls.client_context, server_hostname="localhost")
        received = peer.receive(len(data))
        peer.unwrap_tls()
        return received

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        assert await raw_peers.run_client(server_address(server), receive).finished() == data


async def test_unread_data_stops_the_peer(tls: Certificates) -> None:
    """R3: over TLS the reader holds no more than its bound either, but for what is decrypted already."""
    limit = 8192
    async with connected_pair(
        sluiceway, server={"ssl": tls.server_context}, client={"ssl": tls.client_context, "limit": limit}
    ) as (near, far):
        far[1].write(bytes(4 << 20))
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(near[0]._buffer) <= 2 * limit + (32 << 10)
        assert await near[0].readexactly(4 << 20) == bytes(4 << 20)
