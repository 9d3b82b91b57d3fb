"""A finalizer or a signal handler that writes while the loop starts or stops watching the only socket.

asyncio's loops do this in Python code, in which both may run. In these tests, the method of the loop itself writes.
"""

import pytest

from engine.peer_connections import PeerConnection, abort_connections, open_connections, run_within
from support.raw_peer import RawPeers

pytestmark = pytest.mark.loops("asyncio")

# More than the kernel accepts.
SIZE = 1 << 24
before_or_after = pytest.mark.parametrize("before", [True, False], ids=["before", "after"])


async def check(connection: PeerConnection, size: int) -> None:
    """Check that the peer gets ``size`` bytes, and that the connection then works in both directions."""
    peer = connection.peer
    assert len(await peer.in_thread(peer.receive, size)) == size
    await connection.writer.drain()
    connection.transport.resume_reading()
    peer.send(b"question")
    assert await connection.reader.readexactly(8) == b"question"
    connection.writer.write(b"answer")
    assert await peer.in_thread(peer.receive, 6) == b"answer"
    await connection.close()


@before_or_after
async def test_write_while_reading_resumes(raw_peers: RawPeers, before: bool) -> None:
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    run_within("_add_reader", before, lambda: connection.writer.write(bytes(SIZE)))
    connection.transport.resume_reading()
    await check(connection, SIZE)


@before_or_after
async def test_write_while_reading_pauses(raw_peers: RawPeers, before: bool) -> None:
    [connection] = await open_connections(raw_peers)
    run_within("_remove_reader", before, lambda: connection.writer.write(bytes(SIZE)))
    connection.transport.pause_reading()
    await check(connection, SIZE)


@before_or_after
async def test_write_within_write(raw_peers: RawPeers, before: bool) -> None:
    [connection] = await open_connections(raw_peers)
    run_within("_remove_reader", before, lambda: connection.writer.write(b"within"))
    connection.writer.write(bytes(SIZE))
    await check(connection, SIZE + 6)


@before_or_after
async def test_write_while_second_connection_opens(raw_peers: RawPeers, before: bool) -> None:
    [connection] = await open_connections(raw_peers)
    run_within("_remove_reader", before, lambda: connection.writer.write(bytes(SIZE)))
    others = await open_connections(raw_peers)
    await check(connection, SIZE)
    await abort_connections(others)


@before_or_after
async def test_second_connection_resumes_while_first_resumes(raw_peers: RawPeers, before: bool) -> None:
    connection, other = await open_connections(raw_peers, 2)
    connection.transport.pause_reading()
    other.transport.pause_reading()
    run_within("_add_reader", before, other.transport.resume_reading)
    connection.transport.resume_reading()
    await check(connection, 0)
    await check(other, 0)


@before_or_after
@pytest.mark.parametrize("name", ["_add_reader", "_remove_reader"])
async def test_abort_while_reading_resumes_or_pauses(raw_peers: RawPeers, name: str, before: bool) -> None:
    [connection] = await open_connections(raw_peers)
    if name == "_add_reader":
        connection.transport.pause_reading()
    run_within(name, before, connection.transport.abort)
    if name == "_add_reader":
        connection.transport.resume_reading()
    else:
        connection.transport.pause_reading()
    await connection.close()
    for other in await open_connections(raw_peers, 2):
        await check(other, 0)
