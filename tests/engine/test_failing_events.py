"""An event whose handling fails is consumed, or its registration removed, so that it does not repeat."""

import asyncio
from typing import Any

import pytest

from engine.peer_connections import abort_connections, open_connections
from support import loops
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, wait_until


class RaisingClassLookup(asyncio.Protocol):
    """Raises MemoryError when the engine looks up how to deliver data: isinstance() reads __class__."""

    armed = False

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        if self.armed:
            raise MemoryError
        return asyncio.Protocol


async def test_memory_error_before_the_receive_ends_the_connection(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    [connection] = await open_connections(raw_peers)
    streams = connection.transport.get_protocol()
    protocol = RaisingClassLookup()
    connection.transport.set_protocol(protocol)
    protocol.armed = True
    connection.peer.send(b"x")
    await wait_until(lambda: loop_errors)
    await run_iterations(10)
    assert [type(context["exception"]) for context in loop_errors] == [MemoryError]
    assert connection.transport.is_closing()
    loop_errors.clear()
    streams.connection_lost(None)
    await abort_connections([connection])


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_connection_is_closed_although_the_exception_handler_raises(
    loop_kind: str, raw_peers: RawPeers, exception: type[BaseException]
) -> None:
    class Failing(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            raise LookupError("for the exception handler")

    def handle(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
        called.append(1)
        raise exception

    called: list[int] = []
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        [connection] = loop.run_until_complete(open_connections(raw_peers))
        streams = connection.transport.get_protocol()
        connection.transport.set_protocol(Failing())
        loop.set_exception_handler(handle)
        connection.peer.send(b"x")
        for _ in range(5):
            try:
                loop.run_until_complete(asyncio.sleep(0.001))
            except (exception, RuntimeError):
                # RuntimeError: uvloop turns an interrupt into a stop, which may affect the next run.
                pass
        assert called == [1]
        assert connection.transport.is_closing()
        loop.set_exception_handler(None)
        streams.connection_lost(None)
        loop.run_until_complete(abort_connections([connection]))


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_failed_handover_of_the_only_socket_to_the_poller_ends_only_that_connection(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    [first] = await open_connections(raw_peers)
    remove_reader = loop._remove_reader

    def fail(fd: Any) -> None:
        monkeypatch.undo()
        remove_reader(fd)
        raise MemoryError

    monkeypatch.setattr(loop, "_remove_reader", fail)
    [second] = await open_connections(raw_peers)
    second.peer.send(b"x")
    assert await second.reader.readexactly(1) == b"x"
    assert [type(context["exception"]) for context in loop_errors] == [MemoryError]
    loop_errors.clear()
    with pytest.raises(MemoryError):
        await first.reader.read(1)
    await second.close()
    first.writer.close()
    with pytest.raises(MemoryError):
        await first.writer.wait_closed()
