"""X4: a connection that cannot be set up is closed and reported once; the server continues and can be waited for."""

import asyncio
import contextlib
import gc
import socket
import ssl
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from serving.handlers import send_hello
from serving.recording_socket import bound_recording_socket
from sluiceway._asyncio import protocol, server_connection
from sluiceway._connection.connection import Connection
from sluiceway._net.accept_socket import SocketSource
from sluiceway._transports import make_transport
from support import loops
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations
from support.timeouts import TEST_TIMEOUT

FailStep = Callable[[pytest.MonkeyPatch, BaseException], None]


def raise_when_called(error: BaseException) -> Callable[..., Any]:
    def break_step(*arguments: Any, **keywords: Any) -> Any:
        raise error

    return break_step


class WeaklyReferencedError(OSError):
    """An exception to which weak references are possible."""


class UnusableSocket(socket.socket):
    """An accepted socket that cannot be made non-blocking."""

    error: BaseException | None = None

    def setblocking(self, flag: bool) -> None:
        if self.error is not None:
            raise self.error
        super().setblocking(flag)


def accepted_socket(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    accept = SocketSource.accept

    def accept_unusable(source: SocketSource) -> tuple[socket.socket, Any]:
        accepted, address = accept(source)
        sock = UnusableSocket(fileno=accepted.detach())
        sock.error = error
        return sock, address

    patch.setattr(SocketSource, "accept", accept_unusable)


def server_connection_object(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr("sluiceway._asyncio.server.ServerConnection", raise_when_called(error))


def reader(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(server_connection, "StreamReader", raise_when_called(error))


def protocol_object(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(server_connection, "StreamReaderProtocol", raise_when_called(error))


def transport(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(make_transport, "TLSTransport", raise_when_called(error))
    patch.setattr(make_transport, "LoopAdapter", raise_when_called(error))
    patch.setattr(make_transport, "AcceptedAdapter", raise_when_called(error))
    if sluiceway.ENGINE == "epoll":
        patch.setattr("sluiceway._transports.epoll.transport.SocketTransport", raise_when_called(error))


def lower_transport_of_tls(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The loop's transport below TLS; without TLS the same as ``transport``."""
    transport(patch, error)
    patch.undo()
    if sluiceway.ENGINE == "epoll":
        patch.setattr("sluiceway._transports.epoll.transport.StreamSocket", raise_when_called(error))
    else:
        loop = asyncio.get_running_loop()
        patch.setattr(loop, "connect_accepted_socket", raise_when_called(error))
        if isinstance(loop, asyncio.SelectorEventLoop):
            patch.setattr(loop, "_make_socket_transport", raise_when_called(error))


def information_on_the_transport(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(Connection, "attach", raise_when_called(error))


def writer(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(protocol, "StreamWriter", raise_when_called(error))


def tasks(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **keywords: Any) -> asyncio.Task[Any]:
        if coroutine.__name__ in ("send_hello", "_wrap"):
            raise error
        return asyncio.Task(coroutine, loop=loop, **keywords)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)


STEPS = [
    accepted_socket, server_connection_object, reader, protocol_object, transport, lower_transport_of_tls,
    information_on_the_transport, writer, tasks,
]  # fmt: skip


async def is_served(server: Any, context: ssl.SSLContext | None) -> bool:
    reader, writer = await sluiceway.open_connection(*server_address(server), ssl=context)
    try:
        return await reader.read() == b"hello"
    finally:
        writer.close()
        await writer.wait_closed()


def wait_until_closed(peer: RawPeer, context: ssl.SSLContext | None) -> int:
    """Return the peer's port when the server has closed the connection."""
    port: int = peer.sock.getsockname()[1]
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        if context is not None:
            peer.start_tls(context, server_hostname="localhost")
        assert peer.receive_rest() == b""
    return port


async def errors_alive(
    server: sluiceway.Server, context: ssl.SSLContext | None, raw_peers: RawPeers
) -> list[BaseException | None]:
    """Connect 20 times with the collector off. Return the reported errors; None for each that does not exist any more.

    Each error is a WeaklyReferencedError.
    """
    loop = asyncio.get_running_loop()
    reported: list[weakref.ref[BaseException]] = []
    before = loop.get_exception_handler()
    gc.collect()
    gc.disable()
    try:
        loop.set_exception_handler(lambda loop, context: reported.append(weakref.ref(context["exception"])))
        for _ in range(20):
            client = raw_peers.run_client(server_address(server), lambda peer: wait_until_closed(peer, context))
            await client.finished()
        await run_iterations(20)
        return [reference() for reference in reported]
    finally:
        gc.enable()
        loop.set_exception_handler(before)


@pytest.mark.parametrize("error", [MemoryError("in a test"), OSError(5, "in a test")], ids=["MemoryError", "OSError"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("break_step", STEPS)
@pytest.mark.loops("asyncio", "uvloop")
async def test_failed_setup_is_reported_once_and_server_continues(
    break_step: FailStep,
    secure: bool,
    error: BaseException,
    raw_peers: RawPeers,
    tls: Certificates,
    loop_errors: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client_context = tls.client_context if secure else None
    # The engine makes a socket object only if the class of the listening socket has an accept() of its own.
    address = {"sock": bound_recording_socket()} if break_step is accepted_socket else {"host": "127.0.0.1", "port": 0}
    server = await sluiceway.start_server(send_hello, **address, ssl=tls.server_context if secure else None)
    _, listening_port = server_address(server)
    with monkeypatch.context() as patch:
        break_step(patch, error)
        client = raw_peers.run_client(server_address(server), lambda peer: wait_until_closed(peer, client_context))
        port = await client.finished()
    asyncio.get_running_loop().set_task_factory(None)
    (report,) = loop_errors
    loop_errors.clear()
    assert report["exception"] is error
    error.__traceback__ = None
    assert f"127.0.0.1:{port}" in f"{report}"
    assert f"127.0.0.1:{listening_port}" in f"{report}"
    assert server.failed_handshakes == 0

    assert await is_served(server, client_context)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("break_step", STEPS[2:8])
@pytest.mark.loops("asyncio", "uvloop")
async def test_failed_setup_leaves_no_reference_cycle(
    break_step: FailStep, secure: bool, raw_peers: RawPeers, tls: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await sluiceway.start_server(send_hello, "127.0.0.1", 0, ssl=tls.server_context if secure else None)
    with monkeypatch.context() as patch:
        # The class, so that each failure raises an exception of its own.
        error: Any = WeaklyReferencedError
        break_step(patch, error)
        assert await errors_alive(server, tls.client_context if secure else None, raw_peers) == [None] * 20
    server.close()
    await server.wait_closed()


@pytest.mark.skipif(sluiceway.ENGINE == "epoll", reason="the engine creates transports itself")
@pytest.mark.loops("asyncio")
async def test_transport_that_a_loop_refuses_later_leaves_no_reference_cycle(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of loops may create transports that fail after their creation, as those of asyncio can over TLS.

    The future for which the frame of connect_accepted_socket() waits then refers to the error.
    """
    loop: Any = asyncio.get_running_loop()
    create = loop._make_socket_transport

    def create_refused(sock: socket.socket, protocol: Any, waiter: Any = None, **keywords: Any) -> Any:
        loop.call_soon(waiter.set_exception, WeaklyReferencedError())
        return create(sock, protocol, None, **keywords)

    monkeypatch.setattr(loop, "_make_socket_transport", create_refused)
    server = await sluiceway.start_server(send_hello, "127.0.0.1", 0)
    assert await errors_alive(server, None, raw_peers) == [None] * 20
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("break_step", [reader, writer])
def test_interrupt_during_setup_propagates_and_closes_connection(
    break_step: FailStep, loop_kind: str, raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start() -> Any:
        return await sluiceway.start_server(send_hello, "127.0.0.1", 0)

    async def end(server: Any) -> None:
        assert await is_served(server, None)
        server.close()
        await server.wait_closed()

    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda loop, context: None)
        server = loop.run_until_complete(start())
        with monkeypatch.context() as patch:
            break_step(patch, KeyboardInterrupt())
            peer = raw_peers.connect(server_address(server))
            with pytest.raises(KeyboardInterrupt):
                loop.run_until_complete(asyncio.wait_for(loop.create_future(), TEST_TIMEOUT))
        loop.run_until_complete(end(server))
        with contextlib.suppress(ConnectionResetError):
            assert peer.receive_rest() == b""
