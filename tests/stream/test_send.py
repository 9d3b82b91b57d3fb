"""Stream.send(), flush() and send_eof(): what they wait for, and what they leave behind (contracts W2, W5, D1)."""

import array
import asyncio
import contextlib
import io
import signal
import ssl
from asyncio.subprocess import PIPE
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import FREE_OPERATIONS, TIMEOUT_RESOLUTION
from stream.streams import PAYLOAD, clogged_stream, peer_stream, stream_pair
from support.child_watchers import join_watchers
from support.manual_clock import manual_clock
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task, wait_until
from support.tls_connections import tls_connection


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view")[1:], b"iew"),
        (array.array("B", b"typed"), b"typed"),
        ([b"one", bytearray(b"two"), memoryview(b"three")], b"onetwothree"),
        ({b"a": 1, b"b": 2}.keys(), b"ab"),
        ([], b""),
    ],
)
async def test_send_accepts_one_buffer_or_several(raw_peers: RawPeers, data: Any, sent: bytes) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        await stream.send(data)
        await stream.send(b"|")
        assert peer.receive(len(sent) + 1) == sent + b"|"


@pytest.mark.parametrize("data", ["text", "", ["text"], 5, [5], None])
async def test_invalid_data_raises_and_sends_nothing(raw_peers: RawPeers, data: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        with pytest.raises(TypeError, match="bytes-like"):
            await stream.send(data)
        await stream.send(b"on")
        assert peer.receive(2) == b"on"


async def test_set_exception_is_raised_by_a_send_whose_data_is_sent_and_by_calls_that_wait(raw_peers: RawPeers) -> None:
    """As drain() does. A call that need not wait does not raise it."""
    error = LookupError("of the program")
    async with clogged_stream(raw_peers) as (clogged, _), peer_stream(raw_peers) as (stream, peer):
        for one in (clogged, stream):
            assert one.reader is not None
            one.reader.set_exception(error)
        calls = [clogged.flush, clogged.send_eof, lambda: stream.send(b"data")]
        for call in calls:
            with pytest.raises(LookupError) as caught:
                await call()
            assert caught.value is error
        await stream.flush()
        assert peer.receive(4) == b"data"
        assert await stream.sendfile(io.BytesIO()) == 0
        await stream.send_eof()


@pytest.mark.parametrize("call", ["read_line", "lines"])
async def test_send_without_await_of_a_read_raises_and_loses_no_data(raw_peers: RawPeers, call: str) -> None:
    """Compiled coroutines can be iterated, and so would run and lose what they have read."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"one\ntwo\n")
        assert await stream.peek(8) == b"one\ntwo\n"
        for send in (stream.send, stream.writer.writelines):
            forgotten: Any = getattr(stream, call)()
            with pytest.raises(TypeError, match=r"bytes-like.*await"):
                await send(forgotten)
            if call == "read_line":
                forgotten.close()
        with pytest.raises(TypeError, match="bytes-like object, not 'dict'"):
            await stream.send({b"key": b"value"})  # type: ignore[arg-type]
        assert await stream.read_line() == b"one\n"


async def test_sends_that_never_wait_yield_to_the_loop(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        others: list[None] = []
        asyncio.get_running_loop().call_soon(others.append, None)
        for _count in range(2 * FREE_OPERATIONS + 1):
            await stream.send(b"x")
        assert others


@pytest.mark.parametrize("end", ["aclose", "abort"])
async def test_send_raises_if_another_task_aborts_the_connection(raw_peers: RawPeers, end: str) -> None:
    async with clogged_stream(raw_peers) as (stream, _):
        sending = await start_task(stream.send(PAYLOAD))
        if end == "abort":
            stream.writer.transport.abort()
        else:
            await stream.aclose(timeout=TIMEOUT_RESOLUTION)
        with pytest.raises(ConnectionError):
            await sending


@pytest.mark.parametrize("seconds", [0, -1, "5"])
async def test_invalid_timeout_raises_and_sends_nothing(raw_peers: RawPeers, seconds: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        for call in (stream.send(b"late", timeout=seconds), stream.flush(timeout=seconds)):
            with pytest.raises((ValueError, TypeError), match="timeout "):
                await call
        await stream.send(b"on")
        assert peer.receive(2) == b"on"


@pytest.mark.parametrize("end", ["cancellation", "timeout"])
async def test_data_of_an_interrupted_send_is_sent_whole(raw_peers: RawPeers, end: str) -> None:
    """W2, D1: what a timeout leaves behind is what a cancellation leaves behind."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            sending = await start_task(stream.send(PAYLOAD, timeout=5))
            if end == "cancellation":
                sending.cancel()
            else:
                clock.advance(5 + TIMEOUT_RESOLUTION)
            await asyncio.wait([sending])
        if end == "timeout":
            with pytest.raises(
                TimeoutError, match=rf"send\(\) timed out after 5 s: .* -> 127\.0\.0\.1:{stream.peer[1]}$"
            ):
                await sending
        second = await start_task(stream.send(b"after"))
        assert await peer.in_thread(peer.receive, len(PAYLOAD) + 5) == PAYLOAD + b"after"
        await second


@pytest.mark.parametrize("waits_for", ["room", "sendfile()"])
async def test_timeout_of_a_frame_names_send_frame(raw_peers: RawPeers, waits_for: str) -> None:
    async with clogged_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            if waits_for == "sendfile()":
                other = await start_task(stream.sendfile(io.BytesIO(PAYLOAD)))
            sending = await start_task(stream.send_frame(b"frame", timeout=5))
            clock.advance(5 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match=r"^send_frame\(\) timed out after 5 s: connection "):
                await sending
            if waits_for == "sendfile()":
                other.cancel()
                await asyncio.wait([other])


async def test_send_after_close_raises_at_once(raw_peers: RawPeers) -> None:
    """W5: nothing is discarded without an error, so nothing is logged."""
    async with peer_stream(raw_peers) as (stream, peer):
        await stream.aclose()
        for call in (stream.send(b"late"), stream.flush(), stream.send_eof()):
            with pytest.raises(ConnectionResetError, match=r"this program has closed"):
                await call
        assert peer.receive_rest() == b""


async def test_send_to_a_dead_peer_raises_its_error(raw_peers: RawPeers) -> None:
    """W5: the next send after the loss raises the error of the connection, and so does a send that waits."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await stream.read(1)
        for _ in range(2):
            with pytest.raises(ConnectionResetError, match=r"127\.0\.0\.1"):
                await stream.send(b"late")
    async with peer_stream(raw_peers) as (stream, peer):
        sending = await start_task(stream.send(PAYLOAD))
        peer.reset()
        with pytest.raises(ConnectionError):
            await sending


async def test_flush_returns_when_the_kernel_has_every_byte(raw_peers: RawPeers) -> None:
    """W2: a drain would return when 16 KiB are left."""
    async with clogged_stream(raw_peers) as (stream, peer):
        marks = stream.writer.transport.get_write_buffer_limits()  # type: ignore[attr-defined]
        flushing = [await start_task(stream.flush()) for _ in range(2)]
        assert not flushing[0].done()
        receiving = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD)))
        await asyncio.gather(*flushing)
        assert stream.stats.unsent_bytes == 0
        assert stream.writer.transport.get_write_buffer_limits() == marks  # type: ignore[attr-defined]
        assert await receiving == PAYLOAD
        await stream.flush()


@pytest.mark.parametrize(
    ("earlier", "marks"), [((5, 10), (1_000_000, 2_000_000)), ((5, 10), (0, 0)), ((0, 1), (0, 0)), ((0, 0), (0, 1))]
)
async def test_flush_keeps_marks_that_the_program_sets_meanwhile(
    raw_peers: RawPeers, earlier: tuple[int, int], marks: tuple[int, int]
) -> None:
    """W2: nor does it return early at these marks."""
    async with clogged_stream(raw_peers) as (stream, peer):
        stream.writer.transport.set_write_buffer_limits(low=earlier[0], high=earlier[1])
        flushing = await start_task(stream.flush())
        stream.writer.transport.set_write_buffer_limits(low=marks[0], high=marks[1])
        flushing.add_done_callback(lambda _: unsent.append(stream.stats.unsent_bytes))
        unsent: list[int] = []
        receiving = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD)))
        await flushing
        assert await receiving == PAYLOAD
        assert unsent == [0]
        assert stream.writer.transport.get_write_buffer_limits() == marks  # type: ignore[attr-defined]


async def test_flush_does_not_wait_for_later_bytes(raw_peers: RawPeers) -> None:
    """W2: so that another task that sends without end does not delay it without a limit."""

    async def write_when_resumed() -> None:
        await stream.writer.drain()
        # More than the buffers of both sockets can take.
        stream.writer.write(PAYLOAD * 4)

    async with clogged_stream(raw_peers) as (stream, peer):
        writing = await start_task(write_when_resumed())
        flushing = await start_task(stream.flush())
        assert await peer.in_thread(peer.receive, len(PAYLOAD)) == PAYLOAD
        await flushing
        await writing
        assert stream.stats.unsent_bytes > 0


async def test_flush_over_tls_returns_when_the_kernel_has_every_record(raw_peers: RawPeers, tls: Any) -> None:
    def receive(peer: RawPeer) -> bytes:
        peer.wait_for()
        return peer.receive(len(PAYLOAD))

    async with tls_connection("client", raw_peers, tls, receive) as (reader, writer, script):
        stream = sluiceway.Stream.from_pair(reader, writer)
        sending = await start_task(stream.send(PAYLOAD))
        flushing = await start_task(stream.flush())
        assert stream.stats.unsent_bytes > 0
        assert not flushing.done()
        script.signal()
        await flushing
        assert stream.stats.unsent_bytes == 0
        assert stream.stats.bytes_sent == len(PAYLOAD)
        await sending
        assert await script.finished() == PAYLOAD


async def test_flush_does_not_poll_without_a_pause_during_start_tls(
    raw_peers: RawPeers, tls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transport reports to TLS, and not to the stream, when its data has been sent."""

    async def count_and_drain(writer: sluiceway.StreamWriter) -> None:
        drains.append(writer)
        await writer.drain()

    drains: list[sluiceway.StreamWriter] = []
    monkeypatch.setattr("sluiceway.stream.flush.drain", count_and_drain)
    monkeypatch.setattr("sluiceway.stream.flush.POLL_INTERVAL", 3600)
    async with peer_stream(raw_peers) as (stream, _):
        stream.writer.transport.set_write_buffer_limits(high=2 * len(PAYLOAD))
        await stream.send(PAYLOAD)
        upgrading = await start_task(stream.start_tls(tls.client_context, server_hostname="localhost"))
        flushing = await start_task(stream.flush())
        await run_iterations(20)
        assert len(drains) == 1
        for task in (flushing, upgrading):
            task.cancel()
            await asyncio.wait([task])


async def test_flush_that_times_out_leaves_the_data_and_the_marks(raw_peers: RawPeers) -> None:
    async with clogged_stream(raw_peers) as (stream, peer):
        marks = stream.writer.transport.get_write_buffer_limits()  # type: ignore[attr-defined]
        with manual_clock() as clock:
            flushing = await start_task(stream.flush(timeout=2.5))
            clock.advance(2.5 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match=r"flush\(\) timed out after 2\.5 s: connection"):
                await flushing
        assert stream.writer.transport.get_write_buffer_limits() == marks  # type: ignore[attr-defined]
        receiving = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD)))
        await stream.send(b"", timeout=30)
        assert await receiving == PAYLOAD


async def test_flush_raises_the_loss_of_the_connection(raw_peers: RawPeers) -> None:
    async with clogged_stream(raw_peers) as (stream, peer):
        flushing = await start_task(stream.flush())
        peer.reset()
        with pytest.raises(ConnectionError):
            await flushing
    async with clogged_stream(raw_peers) as (stream, peer):
        flushing = await start_task(stream.flush())
        await stream.aclose(timeout=0.001)
        with pytest.raises(ConnectionResetError, match=r"this program has closed"):
            await flushing


async def test_send_eof_ends_one_direction_after_the_data(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        sending = await start_task(stream.send(PAYLOAD))
        ending = await start_task(stream.send_eof())
        assert await peer.in_thread(peer.receive_rest) == PAYLOAD
        await asyncio.gather(sending, ending)
        await stream.send_eof()
        peer.send(b"answer")
        assert await stream.read_exactly(6) == b"answer"
        with pytest.raises(RuntimeError, match=r"send\(\): not possible after send_eof\(\)"):
            await stream.send(b"late")


@pytest.mark.parametrize("end", ["abort", "transport", "aclose", "reset"])
async def test_send_eof_after_the_end_of_the_connection_raises_also_if_it_was_called_before(
    raw_peers: RawPeers, end: str
) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        await stream.send_eof()
        if end == "abort":
            stream.abort()
        elif end == "transport":
            stream.writer.transport.abort()
        elif end == "aclose":
            await stream.aclose()
        else:
            peer.reset()
            with pytest.raises(ConnectionResetError):
                await stream.read(1)
        for _ in range(2):
            for call in (stream.flush(), stream.send_eof()):
                with pytest.raises(ConnectionError):
                    await call
            await run_iterations()


async def test_send_eof_over_tls_raises_error_that_names_calls_of_the_stream(tls: Any) -> None:
    async with stream_pair() as (client, server):
        upgrade = server.start_tls(tls.server_context, server_side=True)
        await asyncio.gather(client.start_tls(tls.client_context, server_hostname="localhost"), upgrade)
        for _ in range(2):
            with pytest.raises(NotImplementedError, match=r"^send_eof\(\): <Stream .*> cannot .*; use aclose\(\)$"):
                await client.send_eof()
        await client.send(b"on")
        assert await server.read_exactly(2) == b"on"


@pytest.mark.parametrize("data", [b"", b"short", bytes(300_000)])
async def test_send_eof_ends_the_input_of_a_child(data: bytes, cleanup: contextlib.ExitStack) -> None:
    """The pipe of a child closes by itself when write_eof() has taken effect."""
    cleanup.callback(join_watchers)
    with sluiceway.installed():
        # The exit of the child would close the writer, on uvloop perhaps before the second send_eof().
        command = "cat; echo end; exec sleep 60"
        child = await asyncio.create_subprocess_exec("sh", "-c", command, stdin=PIPE, stdout=PIPE)
    stream = sluiceway.Stream.from_pair(child.stdout, child.stdin)  # type: ignore[arg-type]
    output = data + b"end\n"
    reading = await start_task(stream.read_exactly(len(output)))
    await stream.send(data)
    for _ in range(2):
        await stream.send_eof()
    assert await reading == output
    child.kill()
    assert await child.wait() == -signal.SIGKILL
    with pytest.raises(ConnectionError):
        await stream.send(b"late")
    await stream.aclose()


@pytest.mark.parametrize("call", ["send_eof", "write_eof"])
async def test_send_eof_after_an_unnoticed_reset_leaves_the_error_to_the_read(raw_peers: RawPeers, call: str) -> None:
    """W5: the transports of asyncio's loops raise OSError 107 themselves."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.reset()
        if call == "send_eof":
            await stream.send_eof()
        else:
            stream.writer.write_eof()
        with pytest.raises(ConnectionResetError):
            await stream.read(1)


async def test_start_tls_upgrades_both_streams(tls: Any) -> None:
    async with stream_pair() as (client, server):
        await asyncio.gather(
            client.start_tls(tls.client_context, server_hostname="localhost", timeout=30),
            server.start_tls(tls.server_context, server_side=True),
        )
        await client.send(b"secret\n")
        assert await server.read_line() == b"secret\n"


@pytest.mark.parametrize("end", ["timeout", "cancellation"])
async def test_start_tls_that_is_cut_short_aborts_the_connection(raw_peers: RawPeers, tls: Any, end: str) -> None:
    """D1: reads and sends name what has ended the connection. The peer has not."""
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            upgrading = await start_task(stream.start_tls(tls.client_context, server_hostname="localhost", timeout=3))
            await wait_until(lambda: clock.scheduled)
            await run_iterations()
            if end == "timeout":
                clock.advance(3 + TIMEOUT_RESOLUTION)
                with pytest.raises(TimeoutError, match=r"start_tls\(\) timed out after 3 s"):
                    await upgrading
            else:
                upgrading.cancel()
                await asyncio.wait([upgrading])
        message = r"^start_tls\(\) timed out or was cancelled during the TLS handshake: connection .* was aborted$"
        for _ in range(2):
            for call in (stream.send(b"late"), stream.flush(), stream.send_eof(), stream.read(1)):
                with pytest.raises(ConnectionAbortedError, match=message):
                    await call
        assert stream.eof_reason == "reset"
        info = await stream.aclose()
        assert (info.reason, info.flushed, info.unsent_bytes) == ("aborted", True, 0)
        assert isinstance(tls.client_context, ssl.SSLContext)
