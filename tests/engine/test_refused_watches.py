"""The kernel refuses to watch a socket: that connection fails with the kernel's error, nobody waits for ever."""

import asyncio
import errno

import pytest

import sluiceway
from engine.ends import End, closed, opened, stepped
from engine.kernel import refusing, watching
from support.flood import Flood
from support.peer import Peers
from support.turns import turns, until

# libuv aborts the process when its own epoll is refused what it asks for the poller's descriptor.
pytestmark = pytest.mark.loops("asyncio", "debug", "eager")

BIG = bytes(20_000_000)


async def ended_with_the_kernels_error(end: End) -> None:
    with pytest.raises(OSError) as caught:
        await end.reader.read(1)
    assert caught.value.errno == errno.EINVAL
    end.writer.close()
    with pytest.raises(OSError) as caught:
        await end.writer.wait_closed()
    assert caught.value.errno == errno.EINVAL
    try:
        # What the kernel took at once, and nothing else.
        assert BIG.startswith(await end.wire.in_thread(end.wire.receive_rest))
    except ConnectionResetError:
        pass


async def works(end: End) -> None:
    end.writer.write(b"still ")
    end.wire.send(b"here")
    assert await end.reader.readexactly(4) == b"here"
    assert end.wire.receive(6) == b"still "


async def test_when_it_connects(peer: Peers):
    # Two: the loop itself watches an only one.
    [other, another] = await opened(peer, 2)
    listener = peer.listen()
    [poller] = watching(other)
    with refusing(poller):
        reader, writer = await sluiceway.open_connection(*listener.address)
        refused = End(reader, writer, listener.accept())
        await turns(5)
    await ended_with_the_kernels_error(refused)
    await works(other)
    await other.close()
    await another.close()


async def test_when_it_is_accepted(peer: Peers):
    # Two: the loop itself watches an only one.
    [other, another] = await opened(peer, 2)
    [poller] = watching(other)
    served = asyncio.Queue()

    async def handle(reader, writer):
        try:
            await served.put(await reader.read(100))
        except OSError as error:
            await served.put(error.errno)
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        with refusing(poller):
            refused = peer.connect(address)
            refused.send(b"never read")
            assert await served.get() == errno.EINVAL
        accepted = peer.connect(address)
        accepted.send(b"read")
        assert await served.get() == b"read"
        refused.close()
        accepted.close()
    await works(other)
    await other.close()
    await another.close()


async def test_when_reading_goes_on(peer: Peers):
    other, end = await opened(peer, 2, limit=1000)
    flood = Flood(end.wire)
    await flood.until_stopped(end.reader)
    [poller] = watching(other)
    with refusing(poller):
        # What had arrived may come first; the read that would need more must not wait for it.
        with pytest.raises(OSError) as caught:
            while await end.reader.read(500):
                pass
        assert caught.value.errno == errno.EINVAL
        await turns(5)
    end.wire.sock.close()
    await until(lambda: end.transport.is_closing())
    with pytest.raises(OSError):
        while await end.reader.read(500):
            pass
    await works(other)
    await closed([other, end])


async def test_when_a_write_has_to_wait(peer: Peers):
    other, end = await opened(peer, 2)
    [poller] = watching(other)
    with refusing(poller):
        try:
            end.writer.write(BIG)
        except OSError:
            pytest.fail("write() tells of the connection's end by drain(), as it always does")
        with pytest.raises(OSError):
            await end.writer.drain()
        await turns(5)
    await ended_with_the_kernels_error(end)
    await works(other)
    await other.close()


async def test_when_what_was_corked_has_to_wait(peer: Peers):
    *ends, refused, last = await opened(peer, 6)
    [poller] = watching(last)

    async def step():
        with refusing(poller):
            for end in [*ends, refused, last]:
                end.writer.write(b"corked")
            refused.writer.transport.set_write_buffer_limits(100_000_000)
            for _ in range(300):
                refused.writer.write(bytes(65_000))
            await turns(5)

    await stepped(ends[0], step)
    for end in [*ends, last]:
        assert end.wire.receive(6) == b"corked"
    with pytest.raises(OSError):
        await refused.reader.read(1)
    await closed([*ends, refused, last])
