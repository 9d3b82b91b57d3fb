"""T1: what TLS says of its own after the handshake: new keys in 1.3, refused renegotiation in 1.2, tickets; whoever
reads or does not read meanwhile."""

import asyncio
import contextlib
import ssl
from typing import Any

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.interactive_programs import echo_with_prefix, s_client, s_server
from support.raw_peer import RawPeer, RawPeers

MIB = 1 << 20


async def test_a_client_changes_keys(tls: Certificates) -> None:
    """``k``: its own; ``K``: it asks for the server's as well."""
    async with await sluiceway.start_server(echo_with_prefix, "127.0.0.1", 0, ssl=tls.server_context) as server:
        with s_client(server_address(server), tls, "-tls1_3") as program:
            program.write("one\n")
            await program.expect("got one\n")
            for number, command in enumerate("kKKk"):
                program.write(f"{command}\n")
                await program.expect("KEYUPDATE")
                program.write(f"{number}\n")
                await program.expect(f"got {number}\n")
            program.write("Q\n")
            await program.read_to_end()


async def test_a_server_changes_keys(tls: Certificates) -> None:
    """``K``: it asks for the client's as well, and gets them with what the client says next."""
    with s_server(tls, "-tls1_3", "-msg") as (program, found):
        reader, writer = await sluiceway.open_connection(
            *await found, ssl=tls.client_context, server_hostname="localhost"
        )
        await program.expect("CIPHER is")
        for number, command in enumerate("kKKk"):
            program.write(f"{command}\n")
            await program.expect(">>> TLS 1.3.*KeyUpdate")
            program.write(f"from the server {number}\n")
            assert await reader.readline() == b"from the server %d\n" % number
            writer.write(b"from the client %d\n" % number)
            if command == "K":
                await program.expect("<<< TLS 1.3.*KeyUpdate")
            await program.expect(f"from the client {number}\n")
        writer.close()
        await writer.wait_closed()


async def test_keys_change_while_nobody_reads(tls: Certificates) -> None:
    """The client only writes: the server's change is taken in all the same."""
    with s_server(tls, "-tls1_3", "-msg") as (program, found):
        _, writer = await sluiceway.open_connection(*await found, ssl=tls.client_context, server_hostname="localhost")
        await program.expect("CIPHER is")
        for number in range(3):
            program.write("K\n")
            await program.expect(">>> TLS 1.3.*KeyUpdate")
            writer.write(b"from the client %d\n" % number)
            await program.expect(f"from the client {number}\n")
        writer.close()
        await writer.wait_closed()


async def test_a_clients_renegotiation_is_refused(tls: Certificates) -> None:
    """1.2's, which is off in OpenSSL: that connection ends with an error, the server goes on."""
    errors: asyncio.Queue[BaseException] = asyncio.Queue()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            while line := await reader.readline():
                writer.write(b"got " + line)
        except OSError as error:
            errors.put_nowait(error)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        with s_client(server_address(server), tls, "-tls1_2") as other:
            with s_client(server_address(server), tls, "-tls1_2") as program:
                program.write("one\n")
                await program.expect("got one\n")
                program.write("R\n")
                await program.expect("RENEGOTIATING")
                assert "no renegotiation" in await program.read_to_end()
            assert isinstance(await errors.get(), ssl.SSLError)
            other.write("two\n")
            await other.expect("got two\n")
            other.write("Q\n")
            await other.read_to_end()


async def test_a_servers_renegotiation_is_taken_or_refused_without_harm(tls: Certificates) -> None:
    """1.2's HelloRequest: what was sent before and behind it arrives whole."""
    with s_server(tls, "-tls1_2") as (program, found):
        reader, writer = await sluiceway.open_connection(
            *await found, ssl=tls.client_context, server_hostname="localhost"
        )
        await program.expect("CIPHER is")
        program.write("before\n")
        assert await reader.readline() == b"before\n"
        program.write("r\n")
        writer.write(b"meanwhile\n")
        await program.expect("meanwhile\n")
        program.write("behind\n")
        assert await reader.readline() == b"behind\n"
        writer.close()
        await writer.wait_closed()


async def test_tickets_while_nobody_reads(raw_peers: RawPeers, tls: Certificates) -> None:
    """1.3's server sends them unasked: the client that never reads still sends a MiB and takes its leave."""

    def serve(peer: RawPeer) -> int:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("receive")
        count = len(peer.receive(MIB))
        peer.unwrap_tls()
        return count

    script = raw_peers.serve(serve)
    _, writer = await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    writer.write(bytes(MIB))
    script.signal("receive")
    writer.close()
    await writer.wait_closed()
    assert await script.finished() == MIB
