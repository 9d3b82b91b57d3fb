"""asyncio.to_thread(writer.write) writes behind data that the loop's thread has written before, as in asyncio."""

import asyncio
import contextlib
import threading
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.child_processes import IGNORE_THREADS, run_child
from support.connections import connected_pair
from support.timeouts import PEER_TIMEOUT
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


@pytest.mark.loops("asyncio")
@NEEDS_LOOP_WRITER
@pytest.mark.parametrize(
    "end",
    [
        lambda writer: writer.write_eof(),
        lambda writer: writer.close(),
        lambda writer: writer.transport.write_eof(),
    ],
    ids=["write_eof", "close", "transport"],
)
async def test_end_of_a_thread_follows_corked_data_that_is_being_sent(
    end: Callable[[sluiceway.StreamWriter], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    send = _SelectorSocketTransport.write
    loop = asyncio.get_running_loop()

    def write_and_end() -> None:
        server_writer.write(b"second")
        end(server_writer)
        # close() does not wake the loop.
        loop.call_soon_threadsafe(bool)

    def send_while_a_thread_ends(transport: Any, data: bytes) -> None:
        if data == b"first":
            thread.start()
            # The thread waits until this data was sent.
            thread.join(0.05)
        send(transport, data)

    async with connected_pair(sluiceway) as ((client_reader, client_writer), (server_reader, server_writer)):
        thread = threading.Thread(target=write_and_end)

        async def answer() -> None:
            await server_reader.readexactly(1)
            server_writer.write(b"first")

        monkeypatch.setattr(_SelectorSocketTransport, "write", send_while_a_thread_ends)
        answering = asyncio.create_task(answer())
        client_writer.write(b"?")
        assert await client_reader.read() == b"firstsecond"
        await answering
        thread.join()


@pytest.mark.loops("asyncio")
@NEEDS_LOOP_WRITER
@IGNORE_THREADS
async def test_child_sends_although_a_thread_of_its_parent_is_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    send = _SelectorSocketTransport.write
    sending, forked = threading.Event(), threading.Event()

    def send_after_the_fork(transport: Any, data: bytes) -> None:
        if data == b"parent":
            sending.set()
            assert forked.wait(PEER_TIMEOUT)
        send(transport, data)

    async with connected_pair(sluiceway) as ((client_reader, client_writer), (server_reader, server_writer)):
        # get_extra_info() sends the corked data first.
        thread = threading.Thread(target=server_writer.get_extra_info, args=("socket",))

        async def answer() -> None:
            await server_reader.readexactly(1)
            server_writer.write(b"parent")
            thread.start()
            assert sending.wait(PEER_TIMEOUT)
            # Is sent after the thread's data, by the parent only.
            server_writer.write(b"after.")
            assert run_child(lambda: server_writer.write(b"child.")) == 0
            forked.set()

        monkeypatch.setattr(_SelectorSocketTransport, "write", send_after_the_fork)
        answering = asyncio.create_task(answer())
        client_writer.write(b"?")
        assert await client_reader.readexactly(18) == b"child.parentafter."
        await answering
        thread.join()
