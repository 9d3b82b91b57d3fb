"""X4: a handler that ends because its own connection was lost is not reported; the loss of any other connection is."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from serving.failing_handlers import assert_connection_closed, pop_handler_error, running_server
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


async def _read(reader: Any, writer: Any) -> None:
    while await reader.read(100):
        pass


async def _write(reader: Any, writer: Any) -> None:
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()


async def _write_after_reset(reader: Any, writer: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    while True:
        writer.write(b"x")
        await writer.drain()


async def _wait_closed(reader: Any, writer: Any) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    await writer.wait_closed()


async def _readexactly(reader: Any, writer: Any) -> None:
    await reader.readexactly(10)


async def _in_task_group(reader: Any, writer: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_read(reader, writer))
        group.create_task(_write(reader, writer))


async def _in_nested_task_groups(reader: Any, writer: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_in_task_group(reader, writer))


OWN_LOSSES = [_read, _write, _write_after_reset, _wait_closed, _readexactly, _in_task_group, _in_nested_task_groups]


@pytest.mark.parametrize("body", OWN_LOSSES)
async def test_loss_of_own_connection_is_not_reported(body: Callable[..., Any], raw_peers: RawPeers) -> None:
    raised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            await body(reader, writer)
        except BaseException as error:
            raised.set_result(type(error))
            raise

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        while not server.handlers:
            await asyncio.sleep(0)
        peer.reset()
        assert issubclass(await raised, (ConnectionError, ExceptionGroup))
        await run_iterations(10)
        assert server.handlers == frozenset()
        assert server.is_serving()


async def test_plaintext_before_start_tls_is_reported(
    raw_peers: RawPeers, tls: Any, loop_errors: list[dict[str, Any]]
) -> None:
    """X4: PlaintextBeforeTLSError is a ConnectionError, but the connection is not lost."""

    async def handle(reader: Any, writer: Any) -> None:
        assert await reader.readline() == b"go\n"
        await writer.start_tls(tls.client_context, server_side=False, server_hostname="localhost")

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"go\ninjected\n")
        await assert_connection_closed(peer)
    pop_handler_error(loop_errors, sluiceway.PlaintextBeforeTLSError)


async def test_loss_of_own_connection_during_start_tls_is_not_reported(raw_peers: RawPeers, tls: Any) -> None:
    raised: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    started = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        started.set()
        try:
            await writer.start_tls(tls.server_context)
        except BaseException as error:
            raised.set_result(type(error))
            raise

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        await started.wait()
        await run_iterations(10)
        peer.reset()
        assert issubclass(await raised, ConnectionError)
        await run_iterations(10)


@pytest.mark.parametrize("error", [ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ConnectionError])
async def test_connection_error_of_other_origin_is_reported(
    error: type[Exception], raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    """The handler may use connections of its own, for example to a database."""

    async def handle(reader: Any, writer: Any) -> None:
        raise error("of another connection")

    async with running_server(handle) as server:
        await assert_connection_closed(raw_peers.connect(server_address(server)))
        await run_iterations(10)
        pop_handler_error(loop_errors, error)


async def test_loss_of_upstream_connection_is_reported(raw_peers: RawPeers, loop_errors: list[dict[str, Any]]) -> None:
    """The upstream connection of a proxy is a sluiceway connection too, but not the handler's."""
    upstream = raw_peers.listen()
    connected = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        other_reader, other_writer = await sluiceway.open_connection(*upstream.address)
        connected.set()
        try:
            await other_reader.read(1)
        finally:
            other_writer.close()

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        await connected.wait()
        upstream.accept().reset()
        await assert_connection_closed(peer)
        await run_iterations(10)
        pop_handler_error(loop_errors, ConnectionResetError)


async def test_exception_group_with_other_error_beside_own_loss_is_reported(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError as error:
            raise ExceptionGroup("both", [error, KeyError("more")])

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        while not server.handlers:
            await asyncio.sleep(0)
        peer.reset()
        while server.handlers:
            await asyncio.sleep(0)
        await run_iterations(10)
        pop_handler_error(loop_errors, ExceptionGroup)


async def test_error_raised_after_loss_is_reported(raw_peers: RawPeers, loop_errors: list[dict[str, Any]]) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        try:
            await reader.read(1)
        except ConnectionError:
            raise KeyError("clean-up failed")

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        while not server.handlers:
            await asyncio.sleep(0)
        peer.reset()
        while not loop_errors:
            await asyncio.sleep(0)
        await run_iterations(10)
        pop_handler_error(loop_errors, KeyError)


async def test_incomplete_read_is_reported(raw_peers: RawPeers, loop_errors: list[dict[str, Any]]) -> None:
    """A clean end of input in the middle of a record is an error that the handler is expected to handle."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.readexactly(10)

    async with running_server(handle) as server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"short")
        peer.half_close()
        await assert_connection_closed(peer)
        await run_iterations(10)
        pop_handler_error(loop_errors, asyncio.IncompleteReadError)
