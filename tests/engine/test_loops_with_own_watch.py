"""Subclasses of asyncio's loop that watch descriptors in another way than asyncio, as the loops of gbulb do."""

import asyncio
import pathlib
import selectors
import socket
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.connections import server_address


class LoopWithOwnPublicMethods(asyncio.SelectorEventLoop):
    """Watches what add_reader() gets with a selector of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.own_selector = selectors.EpollSelector()
        super()._add_reader(self.own_selector.fileno(), self._call_ready)  # type: ignore[misc]

    def _call_ready(self) -> None:
        for key, _ in self.own_selector.select(0):
            key.data._run()

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        self.own_selector.register(fd, selectors.EVENT_READ, asyncio.Handle(callback, args, self))

    def remove_reader(self, fd: Any) -> bool:
        if fd not in self.own_selector.get_map():
            return False
        self.own_selector.unregister(fd)
        return True

    def close(self) -> None:
        super()._remove_reader(self.own_selector.fileno())  # type: ignore[misc]
        self.own_selector.close()
        super().close()


class LoopWithoutPrivateMethods(LoopWithOwnPublicMethods):
    """Cannot use the selector of asyncio for other descriptors than those of asyncio's loop itself."""

    _ssock: socket.socket

    def _add_reader(self, fd: Any, *_: Any) -> None:
        assert fd == self._ssock.fileno()

    def _remove_reader(self, fd: Any) -> None:
        assert fd == self._ssock.fileno()


class LoopWithOwnPrivateMethods(asyncio.SelectorEventLoop):
    """Its public methods, which are asyncio's, call its private ones."""

    def __init__(self) -> None:
        self.private_readers: set[int] = set()
        super().__init__()

    def _add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> Any:
        self.private_readers.add(fd)
        return super()._add_reader(fd, callback, *args)  # type: ignore[misc]

    def _remove_reader(self, fd: Any) -> Any:
        self.private_readers.discard(fd)
        return super()._remove_reader(fd)  # type: ignore[misc]


async def echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def exchange(address: tuple[str, int], name: int) -> None:
    reader, writer = await sluiceway.open_connection(*address)
    for number in range(3):
        line = b"%d %d\n" % (name, number)
        writer.write(line)
        assert await reader.readline() == line
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("new_loop", [LoopWithOwnPublicMethods, LoopWithoutPrivateMethods, LoopWithOwnPrivateMethods])
def test_connections_work_on_a_loop_with_its_own_watch(new_loop: Callable[[], Any]) -> None:
    async def serve_and_connect() -> None:
        async with await sluiceway.start_server(echo, "127.0.0.1", 0) as server:
            await exchange(server_address(server), 0)
            await asyncio.gather(*(exchange(server_address(server), name) for name in range(4)))
        # As long as the descriptor of the poller is open, which is one iteration after the last connection.
        for _ in range(3):
            await asyncio.sleep(0)

    def watched(loop: Any) -> set[int]:
        if isinstance(loop, LoopWithOwnPublicMethods):
            return set(loop.own_selector.get_map())
        return set(loop.private_readers)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        before = watched(runner.get_loop())
        runner.run(serve_and_connect())
        assert watched(runner.get_loop()) == before


def test_loop_with_its_own_watch_still_refuses_and_sends_as_asyncio(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"line\n")

    async def refuse_and_send(loop: asyncio.AbstractEventLoop) -> None:
        async with await sluiceway.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await sluiceway.open_connection(*server_address(server))
            with pytest.raises(RuntimeError, match="is used by transport"):
                loop.add_reader(writer.get_extra_info("socket").fileno(), list)
            with file.open("rb") as opened:
                await loop.sendfile(writer.transport, opened, fallback=False)
            assert await reader.readline() == b"line\n"
            writer.close()
            await writer.wait_closed()

    with asyncio.Runner(loop_factory=LoopWithOwnPrivateMethods) as runner:
        runner.run(refuse_and_send(runner.get_loop()))
