"""An exception while received bytes are delivered ends the connection with an error.

The bytes are lost, so a stream that continued would have a gap. KeyboardInterrupt and SystemExit propagate.
"""

import asyncio
import types
from typing import Any

import pytest

import sluiceway
from support import loops
from support.certificates import Certificates
from support.raw_peer import RawPeers
from support.tls_connections import manual_tls_connection


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_interrupted_delivery_ends_connection(
    loop_kind: str, raw_peers: RawPeers, exception: type[BaseException]
) -> None:
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        listener = raw_peers.listen()
        reader, writer = loop.run_until_complete(sluiceway.open_connection(*listener.address))
        peer = listener.accept()
        peer.send(b"lost")
        # uvloop's own transport passes it to the exception handler.
        assert run_until_interrupted(loop, reader, exception) == 1 or loop_kind == "uvloop"
        peer.send(b"later")
        with pytest.raises(ConnectionAbortedError, match=f"{exception.__name__} may have lost received data"):
            loop.run_until_complete(reader.read(100))
        writer.close()
        with pytest.raises(ConnectionAbortedError):
            loop.run_until_complete(writer.wait_closed())


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_interrupted_delivery_over_tls_ends_connection(
    loop_kind: str, raw_peers: RawPeers, tls: Certificates, exception: type[BaseException]
) -> None:
    def answer(peer):
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("send")
        peer.send(b"lost")
        peer.wait_for("end")

    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        script = raw_peers.serve(answer)
        reader, writer = loop.run_until_complete(
            sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
        )
        script.signal("send")
        # uvloop's own transport passes it to the exception handler.
        assert run_until_interrupted(loop, reader, exception) == 1 or loop_kind == "uvloop"
        with pytest.raises(ConnectionAbortedError, match=f"{exception.__name__} may have lost received data"):
            loop.run_until_complete(reader.read(100))
        writer.close()
        with pytest.raises(ConnectionAbortedError):
            loop.run_until_complete(writer.wait_closed())
        script.signal("end")
        loop.run_until_complete(script.finished())


class Unable(bytearray):
    """A buffer of a reader that cannot keep received bytes."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self.error = error

    def extend(self, data: Any) -> None:
        raise self.error("while bytes are kept")

    __iadd__ = __add__ = extend  # type: ignore[assignment]


async def assert_later_bytes_are_not_read(reader: Any, writer: Any, error: type[Exception], match: str) -> None:
    for _ in range(2):
        with pytest.raises(error, match=match):
            await reader.read(100)
    writer.close()
    with pytest.raises(error, match=match):
        await writer.wait_closed()


@pytest.mark.parametrize("exception", [BufferError, MemoryError])
async def test_bytes_that_cannot_be_kept_end_connection_with_that_error(
    streams: types.ModuleType, raw_peers: RawPeers, loop_errors: list[dict[str, Any]], exception: type[Exception]
) -> None:
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address)
    reader._buffer = Unable(exception)
    peer = listener.accept()
    peer.send(b"lost")
    while not loop_errors:
        await asyncio.sleep(0)
    peer.send(b"later")
    await assert_later_bytes_are_not_read(reader, writer, exception, "while bytes are kept")
    assert [type(context["exception"]) for context in loop_errors] == [exception]
    loop_errors.clear()


@pytest.mark.parametrize("exception", [BufferError, MemoryError])
async def test_bytes_that_cannot_be_kept_end_tls_connection_with_error_that_names_the_cause(
    raw_peers: RawPeers, tls: Certificates, loop_errors: list[dict[str, Any]], exception: type[Exception]
) -> None:
    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, peer, manual_tls):
        reader._buffer = Unable(exception)
        manual_tls.send(b"lost")
        while not loop_errors:
            await asyncio.sleep(0)
        peer.send(manual_tls.encrypt(b"later"))
        await assert_later_bytes_are_not_read(
            reader, writer, ConnectionAbortedError, f"{exception.__name__} may have lost received data"
        )
        assert [type(context["exception"]) for context in loop_errors] == [exception]
        loop_errors.clear()


def run_until_interrupted(
    loop: asyncio.AbstractEventLoop, reader: sluiceway.StreamReader, exception: type[BaseException]
) -> int:
    """Run until ``reader.feed_data`` has raised ``exception``; return how often the loop raised it."""
    called: list[Any] = []

    def feed_data(data: bytes) -> None:
        called.append(data)
        raise exception("while bytes are delivered")

    async def wait_for_call() -> None:
        while not called:
            await asyncio.sleep(0)

    reader.feed_data = feed_data  # type: ignore[method-assign]
    raised = 0
    for coroutine in (wait_for_call(), asyncio.sleep(0.001), asyncio.sleep(0.001)):
        try:
            loop.run_until_complete(coroutine)
        except exception:
            raised += 1
        except RuntimeError:
            # uvloop turns an interrupt into a stop, which may end the next run.
            assert "uvloop" in type(loop).__module__
    del reader.feed_data
    assert called == [b"lost"]
    return raised
