"""What open_connection raises when no address can be connected to, with the same words on every loop."""

import asyncio
import errno
import gc
import re
import socket
from typing import Any

import pytest

import sluiceway
from support.fake_resolver import fake_resolver
from support.unreachable_addresses import refusing_address

EACH_WAY = [{}, {"happy_eyeballs_delay": 60}]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("options", EACH_WAY)
async def test_a_refused_connection_names_the_address(host: str, options: dict[str, Any]) -> None:
    port = refusing_address(host)[1]
    with pytest.raises(ConnectionRefusedError, match=rf"'{re.escape(host)}', {port}") as caught:
        await sluiceway.open_connection(host, port, **options)
    assert caught.value.errno == errno.ECONNREFUSED


@pytest.mark.parametrize("options", EACH_WAY)
async def test_several_errors_are_listed_in_order(options: dict[str, Any]) -> None:
    first, second = refusing_address(), refusing_address("::1")
    with fake_resolver({"both": [first, second]}), pytest.raises(OSError) as caught:
        await sluiceway.open_connection("both", 1, **options)
    message = str(caught.value)
    assert message.startswith("Multiple exceptions: ")
    assert message.index(f"'127.0.0.1', {first[1]}") < message.index(f"'::1', {second[1]}")
    assert type(caught.value) is OSError


@pytest.mark.parametrize("options", EACH_WAY)
async def test_the_same_error_several_times_is_raised_once(options: dict[str, Any]) -> None:
    address = refusing_address()
    with fake_resolver({"twice": [address, address]}), pytest.raises(ConnectionRefusedError) as caught:
        await sluiceway.open_connection("twice", 1, **options)
    assert "Multiple" not in str(caught.value)


@pytest.mark.parametrize("options", EACH_WAY)
@pytest.mark.parametrize("count", [1, 2])
async def test_all_errors_are_a_group(options: dict[str, Any], count: int) -> None:
    addresses = [refusing_address(), refusing_address("::1")][:count]
    with fake_resolver({"all": addresses}), pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
        await sluiceway.open_connection("all", 1, all_errors=True, **options)
    assert len(caught.value.exceptions) == count
    for error, (host, port) in zip(caught.value.exceptions, addresses, strict=True):
        assert isinstance(error, ConnectionRefusedError)
        assert f"'{host}', {port}" in str(error)


async def test_an_unknown_name() -> None:
    loop: Any = asyncio.get_running_loop()

    async def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    loop.getaddrinfo = unknown
    try:
        with pytest.raises(socket.gaierror, match="not known"):
            await sluiceway.open_connection("no.such.name.invalid", 80)
        with pytest.raises(socket.gaierror, match="not known"):
            await sluiceway.start_server(lambda r, w: None, "no.such.name.invalid", 0)
    finally:
        del loop.getaddrinfo


@pytest.mark.parametrize("options", EACH_WAY)
async def test_a_name_without_addresses(options: dict[str, Any]) -> None:
    with fake_resolver({"none": []}), pytest.raises(OSError, match=r"getaddrinfo.*empty list"):
        await sluiceway.open_connection("none", 80, **options)


@pytest.mark.parametrize("options", [*EACH_WAY, {"all_errors": True}, {"all_errors": True, "happy_eyeballs_delay": 60}])
async def test_the_error_is_part_of_no_ring(options: dict[str, Any]) -> None:
    """Who drops the error has dropped all that it refers to: frames, sockets, other errors."""
    kept: BaseException | None = None
    gc.collect()
    gc.disable()
    try:
        with fake_resolver({"both": [refusing_address(), refusing_address("::1")]}):
            try:
                await sluiceway.open_connection("both", 1, **options)
            except (OSError, ExceptionGroup) as error:
                kept = error
        assert kept is not None
        errors = kept.exceptions if isinstance(kept, ExceptionGroup) else (kept,)
        for error in errors:
            frames = _frames(error)
            for holder in gc.get_referrers(error):
                assert holder not in frames
                assert not any(holder is frame.f_locals for frame in frames)
    finally:
        gc.enable()


def _frames(error: BaseException) -> list[Any]:
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        if "sluiceway" in traceback.tb_frame.f_code.co_filename:
            frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames


@pytest.mark.parametrize("options", [*EACH_WAY, {"all_errors": True}, {"all_errors": True, "happy_eyeballs_delay": 60}])
async def test_nothing_is_left_to_the_collector(options: dict[str, Any]) -> None:
    with fake_resolver({"both": [refusing_address(), refusing_address("::1")]}):
        with pytest.raises((OSError, ExceptionGroup)):
            await sluiceway.open_connection("both", 1, **options)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            try:
                await sluiceway.open_connection("both", 1, **options)
            except (OSError, ExceptionGroup):
                pass
            await asyncio.sleep(0)
            gc.collect()
            lost = [it for it in gc.garbage if isinstance(it, BaseException)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert lost == []
