"""W9: if corked writes cannot be joined, the connection ends. It does not continue without their bytes."""

import asyncio
import types
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair
from support.timeouts import PEER_TIMEOUT
from writing.loop_writers import NEEDS_LOOP_WRITER, loop_writer_of

PIECES = [b"%d" % number * 1000 for number in range(3)]


@pytest.mark.loops("asyncio")
@NEEDS_LOOP_WRITER
async def test_failed_join_of_corked_writes_ends_the_connection(allocation_hooks: types.ModuleType) -> None:
    async with connected_pair(sluiceway) as ((client_reader, client_writer), (server_reader, server_writer)):
        errors: list[MemoryError] = []

        async def answer() -> None:
            await server_reader.readexactly(1)
            for piece in PIECES:
                server_writer.write(piece)
            raw = loop_writer_of(server_writer)
            allocation_hooks.set_nomemory(0, 1)
            try:
                raw.uncork()
            except MemoryError as error:
                errors.append(error)
            finally:
                allocation_hooks.remove_mem_hooks()
            server_writer.write(b"end")
            server_writer.close()

        client_writer.write(b"?")
        _, received = await asyncio.gather(answer(), client_reader.read())
        assert errors
        assert received == b""


@pytest.mark.loops("asyncio")
@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="the pure core does not cork")
@pytest.mark.parametrize("over", ["plain", "tls"])
async def test_failed_allocation_in_corked_write_does_not_stop_later_writes(
    over: str, tls: Certificates, allocation_hooks: types.ModuleType
) -> None:
    options: dict[str, Any] = {}
    if over == "tls":
        options["server"] = {"ssl": tls.server_context}
        options["client"] = {"ssl": tls.client_context, "server_hostname": "localhost"}

    async def answer(number: int, reader: Any, writer: Any) -> bool:
        # Twice: what a task writes in the iteration of the loop in which the handshake ends is not corked.
        await reader.readexactly(1)
        writer.write(b"begin\n")
        await reader.readexactly(1)
        allocation_hooks.set_nomemory(number, number + 1)
        try:
            writer.write(b"first\n")
        except MemoryError:
            return True
        finally:
            allocation_hooks.remove_mem_hooks()
            writer.write(b"last\n")
        return False

    failed = True
    number = -1
    while failed:
        number += 1
        async with connected_pair(sluiceway, **options) as ((client_reader, client_writer), (reader, writer)):
            client_writer.write(b"?")
            answering = asyncio.create_task(answer(number, reader, writer))
            assert await client_reader.readline() == b"begin\n"
            client_writer.write(b"?")
            lines = [b"first\n", b"last\n"]
            while lines:
                line = await asyncio.wait_for(client_reader.readline(), PEER_TIMEOUT)
                # A failed encryption ends the connection.
                lines = lines[lines.index(line) + 1 :] if line else []
            failed = await answering
    assert number > 0
