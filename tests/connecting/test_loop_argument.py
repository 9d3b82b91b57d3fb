"""S9: the four functions accept loop=None or the running loop, and nothing else."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.connections import server_address


def _close(reader: Any, writer: Any) -> None:
    writer.close()


CALLS: dict[str, Callable[..., Any]] = {
    "open_connection": lambda **kwargs: sluiceway.open_connection("127.0.0.1", 1, **kwargs),
    "open_unix_connection": lambda **kwargs: sluiceway.open_unix_connection("/nowhere/at/all", **kwargs),
    "start_server": lambda **kwargs: sluiceway.start_server(_close, "127.0.0.1", 0, **kwargs),
    "start_unix_server": lambda **kwargs: sluiceway.start_unix_server(_close, "/nowhere/at/all", **kwargs),
}


@pytest.mark.parametrize("call", CALLS)
async def test_loop_other_than_running_one_raises_value_error(call: str) -> None:
    other = asyncio.new_event_loop()
    try:
        with pytest.raises(ValueError, match=r"loop argument must be the running loop .* or None, not"):
            await CALLS[call](loop=other)
    finally:
        other.close()


@pytest.mark.parametrize("call", CALLS)
async def test_loop_argument_that_is_not_a_loop_raises_value_error(call: str) -> None:
    with pytest.raises(ValueError, match="not 'default'"):
        await CALLS[call](loop="default")


@pytest.mark.parametrize("argument", ["nothing", "none", "running"])
async def test_tcp_server_and_client_accept_running_loop_or_none(argument: str) -> None:
    loop = asyncio.get_running_loop()
    kwargs = {"nothing": {}, "none": {"loop": None}, "running": {"loop": loop}}[argument]
    async with await sluiceway.start_server(_close, "127.0.0.1", 0, **kwargs) as server:
        assert server.get_loop() is loop
        reader, writer = await sluiceway.open_connection(*server_address(server), **kwargs)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("argument", ["nothing", "none", "running"])
async def test_unix_server_and_client_accept_running_loop_or_none(argument: str, unix_path: str) -> None:
    loop = asyncio.get_running_loop()
    kwargs = {"nothing": {}, "none": {"loop": None}, "running": {"loop": loop}}[argument]
    async with await sluiceway.start_unix_server(_close, unix_path, **kwargs) as server:
        assert server.get_loop() is loop
        reader, writer = await sluiceway.open_unix_connection(unix_path, **kwargs)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
