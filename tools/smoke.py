"""Check an installed wheel: the core is compiled, the engine is in use on Linux, and a line is echoed.

Usage: python tools/smoke.py
"""

import asyncio
import socket
import sys

import sluiceway


async def echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()


async def echo_one_line() -> bytes:
    server = await sluiceway.start_server(echo, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        reader, writer = await sluiceway.open_connection(*server.sockets[0].getsockname())
        writer.write(b"through the wheel\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return line


def main() -> None:
    actual = {
        "implementation": sluiceway.IMPLEMENTATION,
        "engine": sluiceway.ENGINE,
        "line": asyncio.run(asyncio.wait_for(echo_one_line(), 10)),
    }
    expected = {
        "implementation": "compiled",
        "engine": "epoll" if sys.platform == "linux" else "loop",
        "line": b"through the wheel\n",
    }
    if actual != expected:
        sys.exit(f"{sluiceway.__file__}: {actual}, not {expected}")
    print(f"sluiceway {sluiceway.__version__}: {actual['implementation']}, {actual['engine']}")


if __name__ == "__main__":
    main()
