"""The relay of docs/howto/relay.md closes both sides when one is lost, and the server reports no error of a handler."""

import asyncio
import pathlib
import re
import socket
import struct
from typing import Any

import sluiceway

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "relay.md"


def relay_of_page() -> dict[str, Any]:
    """Return the names of the page's program, without the server behind it and ``main``."""
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(program.partition("async def count")[0], names)
    return names


async def reset(stream: "sluiceway.Stream") -> None:
    await stream.read(1)
    no_linger = struct.pack("ii", 1, 0)  # the kernel sends a reset in place of a FIN
    stream.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    stream.abort()


async def through_relay(port_behind: int) -> "tuple[bytes, list[dict[str, Any]]]":
    """Send three bytes through the relay to this port; return what comes back, and what the loop's handler got."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    names = relay_of_page()
    names["ADDRESS"] = f"tcp://127.0.0.1:{port_behind}"
    server = await sluiceway.start_server(sluiceway.stream_handler(names["relay"]), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, sluiceway.connect(f"tcp://{host}:{port}") as client:
        await client.send(b"abc")
        received = await client.read(100)
    await asyncio.gather(*server.handlers)
    return received, reported


def test_reset_of_server_behind_relay_ends_client_without_report() -> None:
    async def main() -> "tuple[bytes, list[dict[str, Any]]]":
        async with await sluiceway.start_server(sluiceway.stream_handler(reset), "127.0.0.1", 0) as behind:
            return await through_relay(behind.sockets[0].getsockname()[1])

    assert asyncio.run(main()) == (b"", [])


def test_refused_connection_behind_relay_ends_client_without_report() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # does not listen
        assert asyncio.run(through_relay(unused.getsockname()[1])) == (b"", [])
