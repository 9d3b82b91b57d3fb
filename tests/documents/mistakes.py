"""Mistakes of programs for which Python has the message. Each function gets the address of a server, and raises."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import sluiceway


async def read_without_await(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        line: Any = stream.read_line()
        try:
            line.decode()
        finally:
            line.close()


async def unpack_without_await(address: str) -> None:
    opening: Any = sluiceway.open_connection(*address.split(":"))
    try:
        _, _ = opening
    finally:
        opening.close()


async def start_server_without_await(address: str) -> None:
    server: Any = sluiceway.start_server(print, "127.0.0.1", 0)
    try:
        async with server:
            pass
    finally:
        server.close()


async def iterate_over_read(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        line: Any = stream.read_line()
        try:
            async for _ in line:
                pass
        finally:
            line.close()


async def split_bytes_by_text(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        data: Any = await stream.read_line()
        data.split(",")


async def search_text_in_bytes(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        data: Any = await stream.read_line()
        assert "GET" in data


async def await_write(address: str) -> None:
    async with await sluiceway.connect(address) as stream:
        writer: Any = stream.writer
        await writer.write(b"x")


async def await_abort(address: str) -> None:
    stream: Any = await sluiceway.connect(address)
    await stream.abort()


async def plain_with_of_connect(address: str) -> None:
    opening: Any = sluiceway.connect(address)
    with opening:
        pass


async def plain_with_of_stream(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        plain: Any = stream
        with plain:
            pass


async def plain_with_of_deadline(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        deadline: Any = stream.deadline(5)
        with deadline:
            pass


async def plain_with_of_server(address: str) -> None:
    server: Any = await sluiceway.start_server(print, "127.0.0.1", 0)
    try:
        with server:
            pass
    finally:
        server.close()


async def plain_for_of_stream(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        plain: Any = stream
        for _ in plain:
            pass


async def plain_for_of_reader(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        reader: Any = stream.reader
        for _ in reader:
            pass


async def decorate_with_parentheses(address: str) -> None:
    decorate: Any = sluiceway.stream_handler
    decorate(idle_timeout=5)


async def serve_on_other_loop(address: str) -> None:
    def serve() -> None:
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(sluiceway.start_server(print, "127.0.0.1", 0))
        try:
            asyncio.run(server.serve_forever())
        finally:
            server.close()
            loop.run_until_complete(server.wait_closed())
            loop.close()

    await asyncio.to_thread(serve)


async def pass_timeout_by_position(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        read: Any = stream.read_line
        await read(5)


async def send_several_arguments(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        send: Any = stream.send
        await send(b"x", b"y")


async def use_closed_loop(address: str) -> None:
    def read_later() -> None:
        loop = asyncio.new_event_loop()
        stream = loop.run_until_complete(sluiceway.connect(address))
        loop.run_until_complete(stream.aclose())
        loop.close()
        reading = stream.read()
        try:
            loop.run_until_complete(reading)
        finally:
            reading.close()

    await asyncio.to_thread(read_later)


async def watch_socket_of_connection(address: str) -> None:
    async with sluiceway.connect(address) as stream:
        asyncio.get_running_loop().add_reader(stream.writer.get_extra_info("socket"), print)


MISTAKES: dict[tuple[str, ...], list[Callable[[str], Awaitable[None]]]] = {
    ("'…coroutine' object has no attribute …",): [read_without_await],
    ("cannot unpack non-iterable coroutine object",): [unpack_without_await],
    ("'coroutine' object does not support the asynchronous context manager protocol",): [start_server_without_await],
    ("'async for' requires an object with __aiter__ method, got …coroutine",): [iterate_over_read],
    ("…() takes … positional argument… but … were given", "…() takes … positional argument… (… given)"): [
        pass_timeout_by_position,
        send_several_arguments,
    ],
    ("a bytes-like object is required, not 'str'",): [split_bytes_by_text, search_text_in_bytes],
    ("object NoneType can't be used in 'await' expression", "'NoneType' object can't be awaited"): [
        await_write,
        await_abort,
    ],
    ("'…' object does not support the context manager protocol",): [
        plain_with_of_connect,
        plain_with_of_stream,
        plain_with_of_deadline,
        plain_with_of_server,
    ],
    ("'…' object is not iterable",): [plain_for_of_stream, plain_for_of_reader],
    ("stream_handler() missing 1 required positional argument: 'handle'",): [decorate_with_parentheses],
    ("Task … got Future … attached to a different loop",): [serve_on_other_loop],
    ("Event loop is closed",): [use_closed_loop],
    ("File descriptor … is used by transport …",): [watch_socket_of_connection],
}
