"""Loops to which the package can attach nothing: no attribute, or no weak reference."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address


class UnreferencedLoop:
    """Methods of asyncio's loop in a class that supports no weak references, such as one that is written in Rust."""

    __slots__ = ("_asyncio_loop",)

    def __init__(self) -> None:
        object.__setattr__(self, "_asyncio_loop", asyncio.SelectorEventLoop())

    def __getattr__(self, name: str) -> Any:
        loop = self._asyncio_loop  # type: ignore[attr-defined]
        value = getattr(loop, name)
        is_method = getattr(value, "__self__", None) is loop and hasattr(value, "__func__")
        # A method gets this object as ``self``.
        return value.__func__.__get__(self) if is_method else value

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_sluiceway"):
            raise AttributeError(name)
        setattr(self._asyncio_loop, name, value)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._asyncio_loop.close()  # type: ignore[attr-defined]


class FrozenLoop(asyncio.SelectorEventLoop):
    """Has a dict, but refuses attributes that asyncio does not know."""

    refusal: type[Exception] = AttributeError

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_sluiceway"):
            raise self.refusal(name)
        super().__setattr__(name, value)


class FrozenLoopWithTypeError(FrozenLoop):
    refusal = TypeError


LOOPS = [UnreferencedLoop, FrozenLoop, FrozenLoopWithTypeError]


def run(loop: Any, main: Coroutine[Any, Any, Any]) -> Any:
    """Run ``main`` on ``loop``. asyncio.Runner may require an AbstractEventLoop."""
    try:
        return loop.run_until_complete(asyncio.wait_for(main, 10))
    finally:
        loop.close()


async def echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    async with writer:
        async for line in reader:
            writer.write(line)
            await writer.drain()


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("loop_class", LOOPS)
def test_lines_are_answered(loop_class: type[Any], encrypted: bool, tls: Certificates) -> None:
    async def exchange() -> list[bytes]:
        server_context, client_context = (tls.server_context, tls.client_context) if encrypted else (None, None)
        async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=server_context) as server:
            address = server_address(server)
            connections = [await sluiceway.open_connection(*address, ssl=client_context) for _ in range(3)]
            for number, (_, writer) in enumerate(connections):
                writer.write(b"%d\n" % number)
            lines = [await reader.readline() for reader, _ in connections]
            for _, writer in connections:
                writer.close()
                await writer.wait_closed()
        return lines

    assert run(loop_class(), exchange()) == [b"0\n", b"1\n", b"2\n"]


@pytest.mark.parametrize("loop_class", LOOPS)
def test_time_limit_of_a_stream_ends_a_read(loop_class: type[Any]) -> None:
    async def exchange() -> bytes:
        async with await sluiceway.start_server(echo, "127.0.0.1", 0) as server:
            stream = sluiceway.Stream.from_pair(*await sluiceway.open_connection(*server_address(server)))
            async with stream:
                for _ in range(2):
                    with pytest.raises(TimeoutError):
                        await stream.read_line(timeout=0.05)
                await stream.send(b"line\n")
                return await stream.read_line(timeout=10)

    assert run(loop_class(), exchange()) == b"line\n"
