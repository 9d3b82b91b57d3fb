"""asyncio.to_thread(writer.write) writes behind data that the loop's thread has written before, as in asyncio."""

import asyncio
import contextlib
import threading
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from writing.loop_writers import NEEDS_LOOP_WRITER


@pytest.mark.loops("asyncio")
@NEEDS_LOOP_WRITER
@pytest.mark.parametrize("error", [None, ValueError])
async def test_write_of_a_thread_follows_corked_data_that_is_being_sent(
    error: type[Exception] | None, loop_errors: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    send = _SelectorSocketTransport.write

    def send_after_a_thread_has_written(transport: Any, data: bytes) -> None:
        if data == b"first":
            thread = threading.Thread(target=server_writer.write, args=(b"second",))
            thread.start()
            thread.join()
        send(transport, data)
        if data == b"first" and error is not None:
            # As pause_writing() of a program's protocol may do.
            raise error

    ended = contextlib.nullcontext() if error is None else pytest.raises(error)
    with ended:
        async with connected_pair(sluiceway) as ((client_reader, client_writer), (server_reader, server_writer)):

            async def answer() -> None:
                await server_reader.readexactly(1)
                server_writer.write(b"first")

            monkeypatch.setattr(_SelectorSocketTransport, "write", send_after_a_thread_has_written)
            answering = asyncio.create_task(answer())
            client_writer.write(b"?")
            received = await client_reader.readexactly(11)
            await answering
            if error is None:
                server_writer.write(b"third")
                assert await client_reader.readexactly(5) == b"third"
    assert received == b"firstsecond"
    assert [type(context.get("exception")) for context in loop_errors] == ([] if error is None else [error])
    loop_errors.clear()
