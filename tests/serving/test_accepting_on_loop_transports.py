"""On the loop's own transports: how a server gets the transport of an accepted socket."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

import sluiceway
from serving.handlers import echo_lines
from support.connections import server_address
from support.raw_peer import RawPeers
from support.timeouts import TEST_TIMEOUT

pytestmark = pytest.mark.skipif(sluiceway.ENGINE == "epoll", reason="tests the loop's own transports")


async def visit(server: Any) -> None:
    reader, writer = await sluiceway.open_connection(*server_address(server))
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()


def run(body: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.wait_for(body, TEST_TIMEOUT))


@pytest.mark.loops("asyncio")
async def test_accepted_connection_on_asyncio_loop_starts_only_the_task_of_its_handler() -> None:
    loop = asyncio.get_running_loop()
    started: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **keywords: Any) -> asyncio.Task[Any]:
        started.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **keywords)

    async with await sluiceway.start_server(echo_lines, "127.0.0.1", 0) as server:
        loop.set_task_factory(factory)
        await visit(server)
        loop.set_task_factory(None)
    assert started == ["echo_lines"]


class AskedLoop(asyncio.SelectorEventLoop):
    """A loop that must be asked for each transport: it has a connect_accepted_socket() of its own."""

    asked = 0

    async def connect_accepted_socket(self, *arguments: Any, **keywords: Any) -> Any:
        self.asked += 1
        return await super().connect_accepted_socket(*arguments, **keywords)


def test_loop_with_own_connect_accepted_socket_is_asked_for_each_transport() -> None:
    loop = AskedLoop()

    async def main() -> None:
        async with await sluiceway.start_server(echo_lines, "127.0.0.1", 0) as server:
            for _ in range(3):
                await visit(server)

    run(main(), loop)
    assert loop.asked == 3


@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
@pytest.mark.loops("asyncio")
async def test_connection_closed_between_accept_and_connection_made_starts_no_handler(
    method: str, raw_peers: RawPeers
) -> None:
    handled = []
    server = await sluiceway.start_server(lambda *streams: handled.append(streams), "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    closed = loop.create_future()

    def close_when_accepted() -> None:
        # Runs in each iteration of the loop, before the handles that an accept in the previous iteration has queued.
        if server._connections:
            getattr(server, method)()
            closed.set_result(len(server._connections))
        else:
            loop.call_soon(close_when_accepted)

    close_when_accepted()
    peer = raw_peers.connect(server_address(server))
    assert await closed == 0
    assert await peer.in_thread(peer.receive_rest) == b""
    server.close()
    await server.wait_closed()
    assert handled == []
