"""R6: readinto() and read_exactly_into() return the bytes in the caller's buffer, and cancelled ones take nothing."""

import asyncio
import contextlib
import sys
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import sluiceway
from stream.streams import peer_stream
from support.certificates import Certificates
from support.connections import connected_pair
from support.fake_transports import CountingTransport
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task, wait_until

SIZE = 3 << 20


@contextlib.asynccontextmanager
async def streams_over(kind: str, tls: Certificates) -> AsyncIterator[tuple[Any, Any]]:
    options: dict[str, Any] = {}
    if kind == "tls":
        options["server"] = {"ssl": tls.server_context}
        options["client"] = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, **options) as (client, server):
        yield sluiceway.Stream.from_pair(*client), sluiceway.Stream.from_pair(*server)


over_both = pytest.mark.parametrize("kind", ["tcp", "tls"])


@over_both
async def test_large_buffer_is_filled_and_what_follows_stays(kind: str, tls: Certificates) -> None:
    data = bytes(range(256)) * (SIZE // 256)
    async with streams_over(kind, tls) as (one, other):
        task = asyncio.create_task(one.send(b"first" + data + b"rest"))
        assert await other.read_exactly(5) == b"first"
        buffer = bytearray(SIZE)
        await other.read_exactly_into(buffer)
        assert buffer == data
        assert await other.read_exactly(4) == b"rest"
        await task


@over_both
async def test_readinto_returns_what_arrives(kind: str, tls: Certificates) -> None:
    async with streams_over(kind, tls) as (one, other):
        buffer = bytearray(b"-" * 8)
        task = await start_task(other.readinto(memoryview(buffer)[2:6]))
        await one.send(b"abcdefgh")
        assert (await task, bytes(buffer)) == (4, b"--abcd--")
        assert await other.readinto(buffer) == 4
        assert buffer.startswith(b"efgh")
        buffer.clear()  # the read has released it
        one.writer.close()
        assert await other.readinto(bytearray(8)) == 0


@over_both
@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("name", ["readinto", "read_exactly_into"])
async def test_buffer_is_released_when_the_read_ends_with_the_stream(
    name: str, end: str, kind: str, tls: Certificates
) -> None:
    """The transport that reports the end has requested the memory, and its call has not returned yet."""

    async def read() -> None:
        buffer = bytearray(100)
        with contextlib.suppress(EOFError, ConnectionResetError):
            await getattr(other, name)(buffer)
        buffer.clear()

    async with streams_over(kind, tls) as (one, other):
        task = await start_task(read())
        getattr(one.writer.transport, end)()
        await task
        other.abort()


@over_both
async def test_buffer_can_be_resized_when_the_read_returns(kind: str, tls: Certificates) -> None:
    """The task may run while the transport reports the bytes, and still has a view of the buffer."""

    async def read() -> bytearray:
        buffer = bytearray(100)
        size = await other.readinto(buffer)
        del buffer[size:]
        return buffer

    async with streams_over(kind, tls) as (one, other):
        task = await start_task(read())
        await one.send(b"data")
        assert await task == b"data"
        await one.send(b"next")
        assert await other.read_exactly(4) == b"next"


@over_both
async def test_cancelled_read_gives_bytes_back(kind: str, tls: Certificates) -> None:
    async with streams_over(kind, tls) as (one, other):
        buffer = bytearray(100)
        await one.send(b"0123")
        await other.peek(4)
        task = await start_task(other.read_exactly_into(buffer))
        await one.send(b"456789")
        await wait_until(lambda: other.reader._sluiceway.buffer.size() == 10)
        task.cancel()
        await asyncio.wait([task])
        buffer.clear()
        await one.send(b"\n")
        assert await other.read_line() == b"0123456789\n"


async def test_read_cancelled_after_arrival_gives_bytes_back() -> None:
    reader = sluiceway.StreamReader()
    stream = sluiceway.Stream.from_pair(reader, None)
    for read in (stream.readinto, stream.read_exactly_into):
        task = await start_task(read(bytearray(4)))
        reader.feed_data(b"data")
        task.cancel()
        await asyncio.wait([task])
        assert await stream.read() == b"data"


@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="the pure core copies")
async def test_transport_receives_into_the_buffer_of_the_program() -> None:
    reader: Any = sluiceway.StreamReader()
    receiver = reader._sluiceway
    receiver.attach(None, None)
    buffer = bytearray(6)
    task = await start_task(sluiceway.Stream.from_pair(reader, None).read_exactly_into(buffer))
    for piece in (b"abc", b"def"):
        memory = receiver.get_buffer(-1)
        memoryview(memory)[:3] = piece
        receiver.committed(3)
        assert piece in buffer
    receiver.wake()
    await task
    assert buffer == b"abcdef"


@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="the pure core copies")
async def test_memory_used_after_cancellation_belongs_to_no_later_read() -> None:
    reader: Any = sluiceway.StreamReader()
    receiver = reader._sluiceway
    buffer = bytearray(6)
    task = await start_task(sluiceway.Stream.from_pair(reader, None).readinto(buffer))
    view = memoryview(receiver.get_buffer(-1))
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(BufferError):
        buffer.clear()  # a thread of OpenSSL may still write
    view[:3] = b"abc"
    receiver.committed(3)
    view.release()
    assert await reader.read(10) == b"abc"


@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="the pure core copies")
async def test_bytes_received_during_and_after_cancellation_stay_in_order() -> None:
    reader: Any = sluiceway.StreamReader()
    receiver = reader._sluiceway
    reader.feed_data(b"ab")
    task = await start_task(sluiceway.Stream.from_pair(reader, None).read_exactly_into(bytearray(6)))
    reader.feed_data(b"cd")
    with memoryview(receiver.get_buffer(-1)) as view:
        task.cancel()
        await asyncio.wait([task])
        view[:2] = b"ef"
        receiver.committed(2)
    assert await reader.read(10) == b"abcdef"


@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="the pure core copies")
@pytest.mark.parametrize("buffered", [b"", b"buffered"])
async def test_cancelled_read_without_memory_for_its_bytes_fails_the_stream(
    buffered: bytes, allocation_hooks: types.ModuleType
) -> None:
    """The program may overwrite its buffer, so the bytes must not stay there."""
    lost = 0
    for number in range(20):
        reader = sluiceway.StreamReader()
        stream = sluiceway.Stream.from_pair(reader, None)
        reader.feed_data(buffered)
        buffer = bytearray(2000)
        reading = stream.read_exactly_into(buffer)
        reading.send(None)
        reader.feed_data(b"received")
        cancelled = asyncio.CancelledError()
        ended: BaseException | None = None
        allocation_hooks.set_nomemory(number, number + 1)
        try:
            reading.throw(cancelled)
        except BaseException as error:  # noqa: BLE001 - the cancellation or MemoryError
            ended = error
        finally:
            allocation_hooks.remove_mem_hooks()
        buffer[:] = b"-" * len(buffer)
        buffer.clear()  # the read has released it
        if reader.exception() is None:
            assert await stream.read() == buffered + b"received"
            continue
        lost += 1
        assert reader.exception() is ended
        reader.feed_data(b"more")
        with pytest.raises(MemoryError):
            await stream.read()
    assert 0 < lost < number, "the allocation for the bytes has failed"


async def test_end_of_stream_inside_raises_with_the_bytes() -> None:
    reader = sluiceway.StreamReader()
    stream = sluiceway.Stream.from_pair(reader, None)
    task = await start_task(stream.read_exactly_into(bytearray(10)))
    reader.feed_data(b"abc")
    await run_iterations()
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await task
    assert (caught.value.partial, caught.value.expected) == (b"abc", 10)
    assert await stream.read() == b""


@pytest.mark.parametrize("operation", ["readinto", "read_exactly_into"])
@pytest.mark.parametrize("server_side", [False, True])
async def test_read_that_waits_during_start_tls_returns_decrypted_bytes(
    raw_peers: RawPeers, tls: Certificates, server_side: bool, operation: str
) -> None:
    """T2: start_tls() takes the bytes that have arrived in the buffer of the program."""
    async with peer_stream(raw_peers) as (stream, peer):
        name = None if server_side else "localhost"
        context, other = (tls.server_context, tls.client_context)[:: 1 if server_side else -1]
        manual_tls = ManualTLS(
            peer, other, server_side=not server_side, server_hostname="localhost" if server_side else None
        )
        hello = manual_tls.first_flight() if server_side else b""
        early = hello[:4] if operation == "read_exactly_into" else b""
        peer.send(early)
        await wait_until(lambda: stream.stats.unread_bytes == len(early))
        buffer = bytearray(9)
        reading = await start_task(getattr(stream, operation)(buffer))
        upgrading = await start_task(stream.start_tls(context, server_side=server_side, server_hostname=name))
        peer.send(hello[len(early) :])
        await peer.in_thread(manual_tls.do_handshake)
        await upgrading
        manual_tls.send(b"decrypted")
        assert await reading == (9 if operation == "readinto" else None)
        assert buffer == b"decrypted"
        # Otherwise the close would wait for the peer's close_notify.
        stream.abort()


async def test_buffer_attribute_used_during_read_keeps_bytes() -> None:
    reader = sluiceway.StreamReader()
    stream = sluiceway.Stream.from_pair(reader, None)
    buffer = bytearray(6)
    task = await start_task(stream.read_exactly_into(buffer))
    reader.feed_data(b"abc")
    assert reader._buffer == b"abc"
    reader.feed_data(b"defghi")
    await task
    assert (bytes(buffer), await stream.read()) == (b"abcdef", b"ghi")


@pytest.mark.parametrize(
    ("buffer", "error", "message"),
    [
        (b"readonly", TypeError, r"readinto\(\): buffer must be a writable and contiguous .*, not 'bytes' \(<Stream"),
        (bytearray(), ValueError, r"readinto\(\): buffer must not be empty \(<Stream"),
        (memoryview(bytearray(4))[::2], TypeError, r"writable and contiguous"),
        (None, TypeError, r"not 'NoneType'"),
    ],
)
async def test_unsuitable_buffer_raises_and_takes_nothing(buffer: Any, error: type[Exception], message: str) -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"data")
    stream = sluiceway.Stream.from_pair(reader, None)
    with pytest.raises(error, match=message):
        await stream.readinto(buffer)
    assert await stream.read() == b"data"


@pytest.mark.parametrize("size", [5, 50])
async def test_read_that_empties_the_buffer_resumes_the_transport(size: int) -> None:
    reader = sluiceway.StreamReader(limit=10)
    stream = sluiceway.Stream.from_pair(reader, None)
    transport = CountingTransport()
    reader.set_transport(transport)
    task = await start_task(stream.read_exactly_into(bytearray(size)))
    reader.feed_data(bytes(size + 30))
    assert transport.paused
    await task
    assert transport.paused, "30 bytes are left"
    task = await start_task(stream.readinto(bytearray(40)))
    assert (await task, transport.paused) == (30, False)
    task = await start_task(stream.readinto(bytearray(40)))
    reader.feed_data(bytes(40))
    assert transport.paused
    assert (await task, transport.paused) == (40, False)


async def test_bytes_are_returned_although_the_resumed_transport_replaces_the_buffer() -> None:
    reader = sluiceway.StreamReader(limit=20)
    stream = sluiceway.Stream.from_pair(reader, None)

    class DeliveringTransport(CountingTransport):
        """Delivers a byte in resume_reading(), to a protocol that looks at the buffer of the reader."""

        delivered = b""

        def resume_reading(self) -> None:
            super().resume_reading()
            self.delivered += b"+"
            reader.feed_data(b"+")
            assert reader._buffer.startswith(b"x")

    transport = DeliveringTransport()
    reader.set_transport(transport)
    buffer = bytearray(50)
    task = await start_task(stream.readinto(buffer))
    reader.feed_data(b"x" * 45)
    count = await task
    assert buffer[:45] == b"x" * 45
    assert buffer[45:count] + reader._buffer == transport.delivered != b""


@contextlib.contextmanager
def no_coroutine_origins() -> Iterator[None]:
    """No origins of coroutines, which the debug mode of a loop records.

    CPython 3.12 and 3.13 crash if there is no memory for the origin of any coroutine: _Py_MakeCoro() then frees a
    coroutine whose frame is not initialized.
    """
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(0)
    try:
        yield
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)


# CPython 3.12 to 3.14 pass the result of a compiled coroutine to the coroutine that awaits it in a StopIteration. If
# there is no memory for that, this coroutine raises MemoryError after the call has ended, and the result is lost.
RESULT_NEEDS_MEMORY = sluiceway.IMPLEMENTATION == "compiled" and (3, 12) <= sys.version_info < (3, 15)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("name", ["readinto", "read_exactly_into"])
@pytest.mark.parametrize("waits", [False, True])
async def test_read_with_failing_allocation_takes_no_bytes(
    waits: bool, name: str, allocation_hooks: types.ModuleType
) -> None:
    # The result needs an allocation: it is greater than the integers that Python keeps.
    size = 1000
    data = bytes(range(256)) * 5

    async def read(stream: sluiceway.Stream, buffer: bytearray, results: list[object]) -> None:
        results[0] = await getattr(stream, name)(buffer)

    failures = 0
    for number in range(40):
        reader = sluiceway.StreamReader()
        stream = sluiceway.Stream.from_pair(reader, None)
        buffer, results = bytearray(size), [...]
        reading = read(stream, buffer, results)
        if waits:
            reading.send(None)
        reader.feed_data(data)
        ended: Exception | None = None
        with no_coroutine_origins():
            allocation_hooks.set_nomemory(number, number + 1)
            try:
                reading.send(None)
            except (MemoryError, StopIteration) as error:
                ended = error
            finally:
                allocation_hooks.remove_mem_hooks()
        failures += isinstance(ended, MemoryError)
        rest = reader._sluiceway.buffer.peek(10**6)
        if results != [...]:
            assert results == [size if name == "readinto" else None]
            assert (bytes(buffer), rest) == (data[:size], data[size:])
        else:
            assert isinstance(ended, MemoryError)
            assert ended.__traceback__ is not None
            awaiting = ended.__traceback__.tb_next
            assert awaiting is not None
            if RESULT_NEEDS_MEMORY and awaiting.tb_next is None and rest != data:
                assert (bytes(buffer), rest) == (data[:size], data[size:])
            else:
                assert rest == data
    assert 0 < failures < number, "every allocation of the call has failed once"
