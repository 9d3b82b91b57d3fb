"""W9: if corked writes cannot be joined, the connection ends. It does not continue without their bytes."""

import asyncio
import gc
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair

PIECES = [b"%d" % number * 1000 for number in range(3)]


@pytest.mark.loops("asyncio")
@pytest.mark.skipif(
    sluiceway.ENGINE != "loop" or sluiceway.IMPLEMENTATION == "pure",
    reason="only LoopWriter joins the writes of a round",
)
async def test_failed_join_of_corked_writes_ends_the_connection() -> None:
    hooks = pytest.importorskip("_testcapi")
    async with connected_pair(sluiceway) as ((client_reader, client_writer), (server_reader, server_writer)):
        errors: list[MemoryError] = []

        async def answer() -> None:
            await server_reader.readexactly(1)
            for piece in PIECES:
                server_writer.write(piece)
            referents: list[Any] = gc.get_referents(server_writer._sluiceway)
            (raw,) = (one for one in referents if type(one).__name__ == "LoopWriter")
            hooks.set_nomemory(0, 1)
            try:
                raw.uncork()
            except MemoryError as error:
                errors.append(error)
            finally:
                hooks.remove_mem_hooks()
            server_writer.write(b"end")
            server_writer.close()

        client_writer.write(b"?")
        _, received = await asyncio.gather(answer(), client_reader.read())
        assert errors
        assert received == b""
