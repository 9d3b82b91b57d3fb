"""S9: the four functions take loop=None or the running loop, and nothing else."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.connections import server_address


def _ignore(reader: Any, writer: Any) -> None:
    writer.close()


CALLS: dict[str, Callable[..., Any]] = {
    "open_connection": lambda **kwargs: sluiceway.open_connection("127.0.0.1", 1, **kwargs),
    "open_unix_connection": lambda **kwargs: sluiceway.open_unix_connection("/nowhere/at/all", **kwargs),
    "start_server": lambda **kwargs: sluiceway.start_server(_ignore, "127.0.0.1", 0, **kwargs),
    "start_unix_server": lambda **kwargs: sluiceway.start_unix_server(_ignore, "/nowhere/at/all", **kwargs),
}


@pytest.mark.parametrize("call", CALLS)
async def test_another_loop_is_refused_by_a_sentence(call: str) -> None:
    other = asyncio.new_event_loop()
    try:
        with pytest.raises(ValueError, match=r"loop must be the running loop .* or None, not"):
            await CALLS[call](loop=other)
    finally:
        other.close()


@pytest.mark.parametrize("call", CALLS)
async def test_what_is_no_loop_is_refused_in_the_same_way(call: str) -> None:
    with pytest.raises(ValueError, match="not 'default'"):
        await CALLS[call](loop="default")


@pytest.mark.parametrize("given", ["nothing", "none", "running"])
async def test_tcp_with_the_running_loop_or_none(given: str) -> None:
    loop = asyncio.get_running_loop()
    kwargs = {"nothing": {}, "none": {"loop": None}, "running": {"loop": loop}}[given]
    async with await sluiceway.start_server(_ignore, "127.0.0.1", 0, **kwargs) as server:
        assert server.get_loop() is loop
        reader, writer = await sluiceway.open_connection(*server_address(server), **kwargs)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("given", ["nothing", "none", "running"])
async def test_unix_with_the_running_loop_or_none(given: str, unix_path: str) -> None:
    loop = asyncio.get_running_loop()
    kwargs = {"nothing": {}, "none": {"loop": None}, "running": {"loop": loop}}[given]
    async with await sluiceway.start_unix_server(_ignore, unix_path, **kwargs) as server:
        assert server.get_loop() is loop
        reader, writer = await sluiceway.open_unix_connection(unix_path, **kwargs)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
