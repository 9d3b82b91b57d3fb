"""The relay of docs/howto/relay.md closes both sides when one is lost, and the server reports no error of a handler."""

import asyncio
import pathlib
import re
import socket
import struct
from typing import Any

import sluiceway

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "relay.md"


def relay_of_page(number: int) -> dict[str, Any]:
    """Return the names of one of the page's programs, without the server behind it and ``main``."""
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(re.split("async def (?:count|fail)", programs[number])[0], names)
    return names


async def reset(stream: "sluiceway.Stream") -> None:
    await stream.read(1)
    no_linger = struct.pack("ii", 1, 0)  # the kernel sends a reset in place of a FIN
    stream.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    stream.abort()


async def through_relay(port_behind: int, number: int = 0) -> "tuple[bytes, list[dict[str, Any]]]":
    """Send three bytes through the relay to this port; return what comes back, and what the loop's handler got."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    names = relay_of_page(number)
    names["ADDRESS"] = f"tcp://127.0.0.1:{port_behind}"
    server = await sluiceway.start_server(sluiceway.stream_handler(names["relay"]), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, sluiceway.connect(f"tcp://{host}:{port}") as client:
        await client.send(b"abc")
        try:
            received = await client.read(100)
        except ConnectionResetError:
            received = b"reset"
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


def test_relay_that_passes_on_resets_resets_client_of_lost_server() -> None:
    async def main() -> "tuple[bytes, list[dict[str, Any]]]":
        async with await sluiceway.start_server(sluiceway.stream_handler(reset), "127.0.0.1", 0) as behind:
            return await through_relay(behind.sockets[0].getsockname()[1], 1)

    assert asyncio.run(main()) == (b"reset", [])


def test_relay_that_passes_on_resets_resets_client_of_refused_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # does not listen
        assert asyncio.run(through_relay(unused.getsockname()[1], 1)) == (b"reset", [])


def test_relay_that_passes_on_resets_resets_server_of_lost_client() -> None:
    seen: list[object] = []

    async def behind(stream: "sluiceway.Stream") -> None:
        await stream.send(b"x")
        try:
            seen.append(await stream.read_all(max=100))
        except ConnectionResetError:
            seen.append("reset")

    async def main() -> None:
        names = relay_of_page(1)
        async with (
            await sluiceway.start_server(sluiceway.stream_handler(behind), "127.0.0.1", 0) as last,
            await sluiceway.start_server(sluiceway.stream_handler(names["relay"]), "127.0.0.1", 0) as server,
        ):
            names["ADDRESS"] = f"tcp://127.0.0.1:{last.sockets[0].getsockname()[1]}"
            await reset(await sluiceway.connect(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"))

    asyncio.run(main())
    assert seen == ["reset"]


def test_relay_that_passes_on_resets_resets_both_sides_if_its_handler_is_cancelled() -> None:
    seen: list[object] = []

    async def read_to_end(stream: "sluiceway.Stream") -> None:
        try:
            seen.append(await stream.read_all(max=100))
        except ConnectionResetError:
            seen.append("reset")

    async def behind(stream: "sluiceway.Stream") -> None:
        await stream.send(b"x")
        await read_to_end(stream)

    async def main() -> None:
        names = relay_of_page(1)
        async with (
            await sluiceway.start_server(sluiceway.stream_handler(behind), "127.0.0.1", 0) as last,
            await sluiceway.start_server(sluiceway.stream_handler(names["relay"]), "127.0.0.1", 0) as server,
        ):
            names["ADDRESS"] = f"tcp://127.0.0.1:{last.sockets[0].getsockname()[1]}"
            async with sluiceway.connect(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
                await client.read(1)  # both tasks of the relay run
                for handler in server.handlers:
                    handler.cancel()
                await read_to_end(client)

    asyncio.run(main())
    assert seen == ["reset", "reset"]
