"""Type checkers reject for sluiceway what they reject for asyncio's streams. Never executed; see public_api.py."""

import asyncio

import sluiceway


async def asyncio_rejects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write("str")  # type: ignore[arg-type]
    writer.write(5)  # type: ignore[arg-type]
    writer.writelines(["a"])  # type: ignore[list-item]
    await reader.readuntil("x")  # type: ignore[arg-type]
    await reader.readexactly(b"4")  # type: ignore[arg-type]
    reader.feed_data("str")  # type: ignore[arg-type]
    await asyncio.start_server(print_line, port=0)  # type: ignore[arg-type]


async def sluiceway_rejects(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    writer.write("str")  # type: ignore[arg-type]
    writer.write(5)  # type: ignore[arg-type]
    writer.writelines(["a"])  # type: ignore[list-item]
    await reader.readuntil("x")  # type: ignore[arg-type]
    await reader.readexactly(b"4")  # type: ignore[arg-type]
    reader.feed_data("str")  # type: ignore[arg-type]
    await sluiceway.start_server(print_line, port=0)  # type: ignore[arg-type]


def print_line(line: bytes) -> None:
    print(line)
