"""X4: a handler that ends with the loss of its own connection is no error; any other connection's loss is one."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from serving.handling import ended, only_report, serving, settle
from support.connections import address_of
from support.peer import Peers


async def _read(reader: Any, writer: Any) -> None:
    while await reader.read(100):
        pass


async def _write(reader: Any, writer: Any) -> None:
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def _write_to_the_lost(reader: Any, writer: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    while True:
        writer.write(b"x")
        await writer.drain()


async def _wait_closed(reader: Any, writer: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    await writer.wait_closed()


async def _exactly(reader: Any, writer: Any) -> None:
    await reader.readexactly(10)


async def _in_a_task_group(reader: Any, writer: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_read(reader, writer))
        group.create_task(_write(reader, writer))


async def _in_nested_groups(reader: Any, writer: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_in_a_task_group(reader, writer))


OWN_LOSSES = [_read, _write, _write_to_the_lost, _wait_closed, _exactly, _in_a_task_group, _in_nested_groups]


@pytest.mark.parametrize("body", OWN_LOSSES)
async def test_the_loss_of_its_own_connection_is_not_told(body: Callable[..., Any], peer: Peers) -> None:
    raised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            await body(reader, writer)
        except BaseException as error:
            raised.set_result(type(error))
            raise

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        while not server.handlers:
            await asyncio.sleep(0)
        wire.reset()
        assert issubclass(await raised, (ConnectionError, ExceptionGroup))
        await settle()
        assert server.handlers == frozenset()
        assert server.is_serving()


async def test_the_loss_during_start_tls_is_not_told(peer: Peers, tls: Any) -> None:
    """start_tls is a method of this connection's writer like any other."""
    raised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    begun = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        begun.set()
        try:
            await writer.start_tls(tls.server_context)
        except BaseException as error:
            raised.set_result(type(error))
            raise

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        await begun.wait()
        await settle()
        wire.reset()
        assert issubclass(await raised, ConnectionError)
        await settle()


@pytest.mark.parametrize("error", [ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ConnectionError])
async def test_any_other_connection_error_is_told(
    error: type[Exception], peer: Peers, loop_errors: list[dict[str, Any]]
) -> None:
    """Of a database, of a connection that the handler opened itself …"""

    async def handle(reader: Any, writer: Any) -> None:
        raise error("of somebody else")

    async with serving(handle) as server:
        await ended(peer.connect(address_of(server)))
        await settle()
        only_report(loop_errors, error)


async def test_the_loss_of_another_connection_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    """A proxy's: the upstream connection is sluiceway's as well, but not this one."""
    upstream = peer.listen()
    up = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        other_reader, other_writer = await sluiceway.open_connection(*upstream.address)
        up.set()
        try:
            await other_reader.read(1)
        finally:
            other_writer.close()

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        await up.wait()
        upstream.accept().reset()
        await ended(wire)
        await settle()
        only_report(loop_errors, ConnectionResetError)


async def test_a_group_with_more_than_the_own_loss_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError as error:
            raise ExceptionGroup("both", [error, KeyError("more")])

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        while not server.handlers:
            await asyncio.sleep(0)
        wire.reset()
        while server.handlers:
            await asyncio.sleep(0)
        await settle()
        only_report(loop_errors, ExceptionGroup)


async def test_an_error_after_the_loss_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError:
            raise KeyError("clean-up failed")

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        while not server.handlers:
            await asyncio.sleep(0)
        wire.reset()
        while not loop_errors:
            await asyncio.sleep(0)
        await settle()
        only_report(loop_errors, KeyError)


async def test_an_incomplete_read_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    """A clean end in the middle of a record is for the handler to expect."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.readexactly(10)

    async with serving(handle) as server:
        wire = peer.connect(address_of(server))
        wire.send(b"short")
        wire.half_close()
        await ended(wire)
        await settle()
        only_report(loop_errors, asyncio.IncompleteReadError)
