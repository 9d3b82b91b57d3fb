"""What loops of other projects lack: attributes of a program, and transports that answer every question."""

import asyncio
import contextvars
import selectors
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.engine_choice import engine_of
from support.connections import server_address


class SlottedLoop:
    """As rsloop's: it takes no attributes, so it cannot own a poller."""

    __slots__ = ()


class LoopWithoutStartTLS:
    """Passes all other calls on to asyncio's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def __getattr__(self, name: str) -> Any:
        if name == "start_tls":
            raise AttributeError(name)
        return getattr(self.loop, name)


class LoopWithoutContexts(asyncio.SelectorEventLoop):
    """Calls the callback of a ready socket itself: outside a context, and not by its handle."""

    def _process_events(self, event_list: Any) -> None:
        for key, ready in event_list:
            for handle, event in zip(key.data, (selectors.EVENT_READ, selectors.EVENT_WRITE), strict=True):
                if handle is not None and ready & event and not handle.cancelled():
                    handle._callback(*handle._args)


class MutePipe(asyncio.Transport):
    """As rloop's pipes: a question fails, since the base class was not initialised."""

    def __init__(self) -> None:
        pass

    def is_closing(self) -> bool:
        return True


def test_loop_without_attributes_is_served_by_its_own_transports() -> None:
    loop: Any = SlottedLoop()
    assert engine_of(loop) is None


@pytest.mark.loops("asyncio")
async def test_engine_serves_a_loop_without_start_tls() -> None:
    loop: Any = LoopWithoutStartTLS(asyncio.get_running_loop())
    assert (engine_of(loop) is None) == (engine_of(asyncio.get_running_loop()) is None)


def test_choice_of_the_engine_does_not_create_the_dict_of_the_loop() -> None:
    # Reading ``__dict__`` creates it. Python 3.11 and 3.12 then read every attribute of the loop slowly.
    read: list[str] = []

    class WatchedLoop(asyncio.SelectorEventLoop):
        def __getattribute__(self, name: str) -> Any:
            read.append(name)
            return super().__getattribute__(name)

    loop = WatchedLoop()
    try:
        engine_of(loop)
    finally:
        loop.close()
    assert "__dict__" not in read


async def test_writer_on_a_transport_that_fails_when_asked_is_made() -> None:
    loop = asyncio.get_running_loop()
    protocol = sluiceway.StreamReaderProtocol(sluiceway.StreamReader())
    writer = sluiceway.StreamWriter(MutePipe(), protocol, None, loop)
    assert writer.get_extra_info("peername") is None
    with pytest.raises(AttributeError):
        writer.transport.get_extra_info("peername")


def test_loop_that_enters_no_context_for_ready_sockets_delivers_data() -> None:
    async def echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        async with writer:
            async for line in reader:
                writer.write(line)
                await writer.drain()

    async def exchange() -> list[bytes]:
        async with await sluiceway.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await sluiceway.open_connection(*server_address(server))
            async with writer:
                lines = []
                for number in range(3):
                    writer.write(b"%d\n" % number)
                    lines.append(await reader.readline())
        return lines

    # The thread has a context from now on, which nothing has entered.
    contextvars.copy_context()
    with asyncio.Runner(loop_factory=LoopWithoutContexts) as runner:
        assert runner.run(exchange()) == [b"0\n", b"1\n", b"2\n"]
