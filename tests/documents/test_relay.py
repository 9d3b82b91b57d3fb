"""The relay of docs/howto/relay.md closes both sides when one is lost, and the server reports no error of a handler."""

import asyncio
import contextlib
import pathlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import sluiceway

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "relay.md"


def relay_of_page(number: int) -> dict[str, Any]:
    """Return the names of one of the page's programs, without the server behind it and ``main``."""
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(re.split("async def (?:count|fail)", programs[number])[0], names)
    return names


def stop_of_page() -> Callable[[sluiceway.Server], Awaitable[None]]:
    """Return the page's function that stops a relay. It waits for no transfer here."""
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(programs[2].replace("SECONDS_TO_STOP = 10", "SECONDS_TO_STOP = 0"), names)
    stop: Callable[[sluiceway.Server], Awaitable[None]] = names["stop"]
    return stop


async def reset(stream: "sluiceway.Stream") -> None:
    await stream.read(1)
    no_linger = struct.pack("ii", 1, 0)  # the kernel sends a reset in place of a FIN
    stream.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    stream.abort()


async def end_of(stream: "sluiceway.Stream") -> str:
    """Read to the end, and return "reset" or "clean"."""
    try:
        await stream.read_all(max=100)
    except ConnectionResetError:
        return "reset"
    return "clean"


@contextlib.asynccontextmanager
async def relay_to_reader(seen: list[str]) -> AsyncIterator[sluiceway.Server]:
    """Yield a relay that passes on resets, to a server that sends a byte and adds the end that it reads to ``seen``."""

    async def behind(stream: "sluiceway.Stream") -> None:
        await stream.send(b"x")
        seen.append(await end_of(stream))

    names = relay_of_page(1)
    async with (
        await sluiceway.start_server(sluiceway.stream_handler(behind), "127.0.0.1", 0) as last,
        await sluiceway.start_server(sluiceway.stream_handler(names["relay"]), "127.0.0.1", 0) as server,
    ):
        names["ADDRESS"] = f"tcp://127.0.0.1:{last.sockets[0].getsockname()[1]}"
        yield server


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
    seen: list[str] = []

    async def main() -> None:
        async with relay_to_reader(seen) as server:
            await reset(await sluiceway.connect(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"))

    asyncio.run(main())
    assert seen == ["reset"]


def test_stop_of_relay_that_passes_on_resets_resets_both_sides() -> None:
    seen: list[str] = []

    async def main() -> None:
        async with (
            relay_to_reader(seen) as server,
            sluiceway.connect(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client,
        ):
            await client.read(1)  # both tasks of the relay run
            await stop_of_page()(server)
            seen.append(await end_of(client))

    asyncio.run(main())
    assert seen == ["reset", "reset"]


def test_stop_of_relay_that_passes_on_resets_resets_client_while_it_connects() -> None:
    async def main() -> None:
        names = relay_of_page(1)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(30)
            names["ADDRESS"] = f"tls://127.0.0.1:{silent.getsockname()[1]}"  # the handshake never ends
            async with (
                await sluiceway.start_server(sluiceway.stream_handler(names["relay"]), "127.0.0.1", 0) as server,
                sluiceway.connect(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client,
            ):
                connecting = await asyncio.get_running_loop().run_in_executor(None, silent.accept)
                await stop_of_page()(server)
                connecting[0].close()
                with pytest.raises(ConnectionResetError):
                    await client.read()

    asyncio.run(main())
