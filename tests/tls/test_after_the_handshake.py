"""T1: what TLS says of its own after the handshake: new keys in 1.3, refused renegotiation in 1.2, tickets; whoever
reads or does not read meanwhile."""

import asyncio
import contextlib
import ssl
from typing import Any

import sluiceway
from support.certificates import Certificates
from support.connections import address_of
from support.peer import Peers, Wire
from support.talking import answer, s_client, s_server

MIB = 1 << 20


async def test_a_client_changes_keys(tls: Certificates) -> None:
    """``k``: its own; ``K``: it asks for the server's as well."""
    async with await sluiceway.start_server(answer, "127.0.0.1", 0, ssl=tls.server_context) as server:
        with s_client(address_of(server), tls, "-tls1_3") as program:
            program.say("one\n")
            await program.until("got one\n")
            for number, command in enumerate("kKKk"):
                program.say(f"{command}\n")
                await program.until("KEYUPDATE")
                program.say(f"{number}\n")
                await program.until(f"got {number}\n")
            program.say("Q\n")
            await program.rest()


async def test_a_server_changes_keys(tls: Certificates) -> None:
    """``K``: it asks for the client's as well, and gets them with what the client says next."""
    with s_server(tls, "-tls1_3", "-msg") as (program, found):
        reader, writer = await sluiceway.open_connection(
            *await found, ssl=tls.client_context, server_hostname="localhost"
        )
        await program.until("CIPHER is")
        for number, command in enumerate("kKKk"):
            program.say(f"{command}\n")
            await program.until(">>> TLS 1.3.*KeyUpdate")
            program.say(f"from the server {number}\n")
            assert await reader.readline() == b"from the server %d\n" % number
            writer.write(b"from the client %d\n" % number)
            if command == "K":
                await program.until("<<< TLS 1.3.*KeyUpdate")
            await program.until(f"from the client {number}\n")
        writer.close()
        await writer.wait_closed()


async def test_keys_change_while_nobody_reads(tls: Certificates) -> None:
    """The client only writes: the server's change is taken in all the same."""
    with s_server(tls, "-tls1_3", "-msg") as (program, found):
        _, writer = await sluiceway.open_connection(*await found, ssl=tls.client_context, server_hostname="localhost")
        await program.until("CIPHER is")
        for number in range(3):
            program.say("K\n")
            await program.until(">>> TLS 1.3.*KeyUpdate")
            writer.write(b"from the client %d\n" % number)
            await program.until(f"from the client {number}\n")
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
        with s_client(address_of(server), tls, "-tls1_2") as other:
            with s_client(address_of(server), tls, "-tls1_2") as program:
                program.say("one\n")
                await program.until("got one\n")
                program.say("R\n")
                await program.until("RENEGOTIATING")
                assert "no renegotiation" in await program.rest()
            assert isinstance(await errors.get(), ssl.SSLError)
            other.say("two\n")
            await other.until("got two\n")
            other.say("Q\n")
            await other.rest()


async def test_a_servers_renegotiation_is_taken_or_refused_without_harm(tls: Certificates) -> None:
    """1.2's HelloRequest: what was sent before and behind it arrives whole."""
    with s_server(tls, "-tls1_2") as (program, found):
        reader, writer = await sluiceway.open_connection(
            *await found, ssl=tls.client_context, server_hostname="localhost"
        )
        await program.until("CIPHER is")
        program.say("before\n")
        assert await reader.readline() == b"before\n"
        program.say("r\n")
        writer.write(b"meanwhile\n")
        await program.until("meanwhile\n")
        program.say("behind\n")
        assert await reader.readline() == b"behind\n"
        writer.close()
        await writer.wait_closed()


async def test_tickets_while_nobody_reads(peer: Peers, tls: Certificates) -> None:
    """1.3's server sends them unasked: the client that never reads still sends a MiB and takes its leave."""

    def serve(wire: Wire) -> int:
        wire.start_tls(tls.server_context, server_side=True)
        wire.wait("receive")
        count = len(wire.receive(MIB))
        wire.farewell()
        return count

    script = peer.serve(serve)
    _, writer = await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    writer.write(bytes(MIB))
    script.go("receive")
    writer.close()
    await writer.wait_closed()
    assert await script.finished() == MIB
