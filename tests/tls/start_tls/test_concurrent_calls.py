"""Calls of other tasks during start_tls() of a StreamWriter: another start_tls(), and write_eof()."""

import asyncio
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair
from support.non_reading_peer import PAYLOAD, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task


async def complete(upgrading: asyncio.Task[None], side: str, near: Any, far: Any, tls: Certificates) -> None:
    """Let the other side upgrade too, and exchange a line over TLS."""
    if side == "client":
        await far[1].start_tls(tls.server_context)
    else:
        await near[1].start_tls(tls.client_context, server_hostname="localhost")
    await upgrading
    near[1].write(b"over TLS\n")
    assert await far[0].readline() == b"over TLS\n"
    assert near[1].get_extra_info("ssl_object").version() == far[1].get_extra_info("ssl_object").version()


def arguments_of(side: str, tls: Certificates) -> dict[str, Any]:
    if side == "client":
        return {"sslcontext": tls.client_context, "server_hostname": "localhost"}
    return {"sslcontext": tls.server_context}


@pytest.mark.parametrize("side", ["client", "server"])
async def test_second_start_tls_during_the_first_raises_and_the_first_completes(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        writer = (near if side == "client" else far)[1]
        upgrading = await start_task(writer.start_tls(**arguments_of(side, tls)))
        await run_iterations(5)
        with pytest.raises(RuntimeError, match=r"start_tls\(\): another start_tls\(\) of connection .* is running"):
            await writer.start_tls(**arguments_of(side, tls))
        await complete(upgrading, side, near, far, tls)


async def test_second_start_tls_of_another_writer_of_the_connection_raises(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        transport = near[1].transport
        other = sluiceway.StreamWriter(transport, transport.get_protocol(), near[0], asyncio.get_running_loop())
        upgrading = await start_task(near[1].start_tls(**arguments_of("client", tls)))
        await run_iterations(5)
        with pytest.raises(RuntimeError, match="is running"):
            await other.start_tls(**arguments_of("client", tls))
        await complete(upgrading, "client", near, far, tls)


async def test_second_of_two_calls_that_wait_for_room_raises(tls: Certificates, raw_peers: RawPeers) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        calls = [await start_task(writer.start_tls(**arguments_of("client", tls))) for _ in range(2)]
        assert await peer.in_thread(peer.receive, len(PAYLOAD)) == PAYLOAD
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert [str(call.exception()).partition(" of ")[0] for call in done] == ["start_tls(): another start_tls()"]
        await peer.in_thread(lambda: peer.start_tls(tls.server_context, server_side=True))
        await asyncio.wait(calls)
        assert sorted(type(call.exception()) is RuntimeError for call in calls) == [False, True]
        writer.transport.abort()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_write_eof_during_the_handshake_raises_and_the_upgrade_completes(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        writer = (near if side == "client" else far)[1]
        assert writer.can_write_eof()
        upgrading = await start_task(writer.start_tls(**arguments_of(side, tls)))
        await run_iterations(5)
        assert not writer.can_write_eof()
        with pytest.raises(NotImplementedError, match=r"write_eof\(\): start_tls\(\) is running"):
            writer.write_eof()
        await complete(upgrading, side, near, far, tls)


@pytest.mark.parametrize("end", ["cancel", "abort"])
async def test_write_eof_after_the_end_of_the_upgrade_has_no_effect(end: str, tls: Certificates) -> None:
    """The transport is closing, and nothing has told the writer of the loss yet."""
    async with connected_pair(sluiceway) as (near, _):
        writer = near[1]
        upgrading = await start_task(writer.start_tls(**arguments_of("client", tls)))
        await run_iterations(5)
        if end == "cancel":
            upgrading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await upgrading
            writer.write_eof()
        else:
            writer.transport.abort()
            writer.write_eof()
            with pytest.raises(ConnectionResetError):
                await upgrading


async def test_start_tls_raises_if_write_eof_was_called_while_it_waited_for_room(
    tls: Certificates, raw_peers: RawPeers
) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        upgrading = await start_task(writer.start_tls(**arguments_of("client", tls)))
        writer.write_eof()
        received = await peer.in_thread(peer.receive, len(PAYLOAD))
        with pytest.raises(RuntimeError, match=r"start_tls\(\): not possible after write_eof\(\)"):
            await upgrading
        assert received == PAYLOAD
        assert await peer.in_thread(peer.sock.recv, 1) == b""
        assert not writer.is_closing()
