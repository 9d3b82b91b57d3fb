"""Handlers of the servers in these tests."""

from typing import Any


def close_connection(reader: Any, writer: Any) -> None:
    writer.close()


async def read_to_eof(reader: Any, writer: Any) -> None:
    await reader.read()
    writer.close()


async def send_hello(reader: Any, writer: Any) -> None:
    writer.write(b"hello")
    writer.close()
    await writer.wait_closed()


async def echo_lines(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()
