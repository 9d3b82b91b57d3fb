"""``async with writer:`` closes a StreamWriter (contract X2). asyncio's has no such block."""

import asyncio

import pytest

import sluiceway
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import start_task


async def test_block_closes_the_writer_after_its_data_was_sent(raw_peers: RawPeers) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):

        async def use() -> None:
            async with writer as entered:
                assert entered is writer

        task = await start_task(use())
        assert writer.is_closing()
        assert not task.done()
        assert await peer.in_thread(peer.receive_rest) == PAYLOAD
        await task


async def test_exception_of_the_block_is_raised_and_not_that_of_the_close(raw_peers: RawPeers) -> None:
    """And without an exception of the block, the error of a connection that was lost in it is raised."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        with pytest.raises(LookupError):
            async with writer:
                peer.reset()
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                raise LookupError
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        with pytest.raises(ConnectionResetError):
            async with writer:
                peer.reset()
                with pytest.raises(ConnectionResetError):
                    await reader.read()


@pytest.mark.parametrize("end", [asyncio.CancelledError, TimeoutError])
async def test_block_that_ran_out_of_time_closes_without_a_wait(raw_peers: RawPeers, end: type[BaseException]) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        with pytest.raises(end):
            async with writer:
                raise end
        assert writer.is_closing()
        assert await peer.in_thread(peer.receive_rest) == PAYLOAD
        await writer.wait_closed()
