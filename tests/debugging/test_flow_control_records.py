"""In debug mode, the records of paused and resumed writing name the connection."""

import asyncio
import logging

import pytest

import sluiceway
from support.non_reading_peer import non_reading_peer
from support.raw_peer import RawPeers


async def test_records_of_paused_and_resumed_writing_name_both_addresses(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sluiceway")
    loop = asyncio.get_running_loop()
    debug = loop.get_debug()
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _):
        loop.set_debug(True)
        try:
            protocol = writer.transport.get_protocol()
            protocol.pause_writing()
            protocol.resume_writing()
        finally:
            loop.set_debug(debug)
        host, port = writer.get_extra_info("sockname")
        there = "{}:{}".format(*writer.get_extra_info("peername"))
    name = f"connection {host}:{port} -> {there}"
    messages = [record.getMessage() for record in caplog.records if record.name == "sluiceway"]
    assert messages == [f"{name} pauses writing", f"{name} resumes writing"]
