"""T1: TLS in open_connection() and start_server(): contexts, ssl=True, server names, ALPN."""

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


async def close(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def echo(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
    writer.close()


async def echoes(reader: Any, writer: Any, line: bytes = b"hello\n") -> bool:
    writer.write(line)
    answer: bytes = await reader.readline()
    return answer == line


async def test_data_and_extra_info_over_tls_on_both_sides(streams: types.ModuleType, tls: Certificates) -> None:
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


async def test_ssl_true_uses_the_default_context(
    tls: Certificates, monkeypatch: pytest.MonkeyPatch, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """T1: it trusts the system's authorities; SSL_CERT_FILE adds that of the tests."""
    server = await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context)
    with pytest.raises(ssl.SSLCertVerificationError):
        await sluiceway.open_connection(*server_address(server), ssl=True)
    for _ in range(10):
        await asyncio.sleep(0)
    if loop_kind == "debug":
        loop_errors.clear()  # the server reports the failed handshake there
    monkeypatch.setenv("SSL_CERT_FILE", tls.ca_file)
    reader, writer = await sluiceway.open_connection(*server_address(server), ssl=True)
    assert await echoes(reader, writer)
    await close(writer)
    server.close()
    await server.wait_closed()


async def test_ssl_false_opens_a_plain_connection(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address, ssl=False)
    peer = listener.accept()
    writer.write(b"plain")
    assert await peer.in_thread(peer.receive, 5) == b"plain"
    await close(writer)


async def test_tls_over_a_unix_socket_echoes(tls: Certificates, unix_path: str) -> None:
    async with await sluiceway.start_unix_server(echo, unix_path, ssl=tls.server_context):
        reader, writer = await sluiceway.open_unix_connection(
            unix_path, ssl=tls.client_context, server_hostname="localhost"
        )
        assert await echoes(reader, writer)
        await close(writer)


@pytest.mark.parametrize(("host", "given", "expected"), [
    ("127.0.0.1", "localhost", "localhost"),
    ("127.0.0.1", None, None),
    ("localhost", None, "localhost"),
    (b"localhost", None, "localhost"),
])  # fmt: skip
async def test_sni_sends_the_host_or_server_hostname(
    host: Any, given: str | None, expected: str | None, tls: Certificates
) -> None:
    """T1: an IP address is not sent."""
    received: list[str | None] = []
    context = tls.new_server_context()
    context.sni_callback = lambda sslobject, name, context: received.append(name)
    options = {} if given is None else {"server_hostname": given}
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        reader, writer = await sluiceway.open_connection(
            host, server_address(server)[1], ssl=tls.client_context, family=socket.AF_INET, **options
        )
        assert await echoes(reader, writer)
        await close(writer)
    assert received == [expected]


async def test_empty_server_hostname_disables_the_name_check(tls: Certificates) -> None:
    context = tls.new_client_context()
    context.check_hostname = False
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server), ssl=context, server_hostname="")
        assert await echoes(reader, writer)
        await close(writer)


async def test_alpn_selects_the_common_protocol(tls: Certificates) -> None:
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    server_context.set_alpn_protocols(["h2", "http/1.1"])
    client_context.set_alpn_protocols(["http/1.1"])
    async with connected_pair(sluiceway, server={"ssl": server_context}, client={"ssl": client_context}) as (near, far):
        for _, writer in (near, far):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_concurrent_large_transfers_in_both_directions_are_complete(
    version: ssl.TLSVersion, tls: Certificates
) -> None:
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
