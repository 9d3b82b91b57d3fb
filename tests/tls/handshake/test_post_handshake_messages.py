"""T1: messages of TLS after the handshake: key updates and session tickets in 1.3, renegotiation in 1.2."""

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


async def test_key_updates_of_a_client_are_answered(tls: Certificates) -> None:
    """T1: s_client updates its own keys at ``k``, and requests the server's as well at ``K``."""
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


async def test_key_updates_of_a_server_are_answered(tls: Certificates) -> None:
    """T1: the client's key update is sent with its next data."""
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


async def test_key_updates_are_processed_while_the_client_only_writes(tls: Certificates) -> None:
    """T1: received messages of TLS are processed although no read waits."""
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


async def test_renegotiation_by_a_client_ends_only_that_connection(tls: Certificates) -> None:
    """T1: OpenSSL disables renegotiation in TLS 1.2; the read raises, and the server keeps serving."""
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


async def test_renegotiation_by_a_server_loses_no_data(tls: Certificates) -> None:
    """T1: data before and after a HelloRequest of TLS 1.2 arrives completely."""
    with s_server(tls, "-tls1_2") as (program, found):
        reader, writer = await sluiceway.open_connection(
            *await found, ssl=tls.client_context, server_hostname="localhost"
        )
        await program.expect("CIPHER is")
        program.write("before\n")
        assert await reader.readline() == b"before\n"
        program.write("r\n")
        writer.write(b"during\n")
        await program.expect("during\n")
        program.write("after\n")
        assert await reader.readline() == b"after\n"
        writer.close()
        await writer.wait_closed()


async def test_session_tickets_do_not_block_a_client_that_never_reads(raw_peers: RawPeers, tls: Certificates) -> None:
    """T1: a server sends tickets in TLS 1.3; the client sends a MiB and closes without a read."""

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
