"""Check an installed wheel: compiled, the engine in use where it is to be had, one line there and back.

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


async def there_and_back() -> bytes:
    server = await sluiceway.start_server(echo, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        reader, writer = await sluiceway.open_connection(*server.sockets[0].getsockname())
        writer.write(b"through the wheel\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return line


def main() -> None:
    found = {
        "implementation": sluiceway.IMPLEMENTATION,
        "engine": sluiceway.ENGINE,
        "line": asyncio.run(asyncio.wait_for(there_and_back(), 10)),
    }
    wanted = {
        "implementation": "compiled",
        "engine": "epoll" if sys.platform == "linux" else "loop",
        "line": b"through the wheel\n",
    }
    if found != wanted:
        sys.exit(f"{sluiceway.__file__}: {found}, not {wanted}")
    print(f"sluiceway {sluiceway.__version__}: {found['implementation']}, {found['engine']}")


if __name__ == "__main__":
    main()
