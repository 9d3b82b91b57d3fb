"""X4: a connection that cannot be set up is closed and reported once; the server goes on, and can be waited for."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._asyncio import protocol, server_connection
from sluiceway._connection.connection import Connection
from sluiceway._net import accept
from sluiceway._transports import make_transport
from support import loops
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeer, RawPeers

Arm = Callable[[pytest.MonkeyPatch, BaseException], None]


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*arguments: Any, **keywords: Any) -> Any:
        raise error

    return fail


class UnusableSocket(socket.socket):
    """What an accepted connection becomes: it cannot be made non-blocking."""

    error: BaseException | None = None

    def setblocking(self, flag: bool) -> None:
        if self.error is not None:
            raise self.error
        super().setblocking(flag)


def accepted_socket(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    def failing(listener: Any) -> tuple[socket.socket, Any]:
        accepted, address = listener.socket.accept()
        sock = UnusableSocket(fileno=accepted.detach())
        sock.error = error
        return sock, address

    patch.setattr(accept.Listener, "_accept", failing)


def entry(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr("sluiceway._asyncio.server.ServerConnection", raising(error))


def reader(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(server_connection, "StreamReader", raising(error))


def protocol_object(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(server_connection, "StreamReaderProtocol", raising(error))


def transport(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(make_transport, "TLSTransport", raising(error))
    patch.setattr(make_transport, "LoopAdapter", raising(error))
    if sluiceway.ENGINE == "epoll":
        patch.setattr("sluiceway._transports.epoll.transport.SocketTransport", raising(error))


def lower_transport_of_tls(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The loop's transport below TLS; without TLS the same as above."""
    transport(patch, error)
    patch.undo()
    if sluiceway.ENGINE == "epoll":
        patch.setattr("sluiceway._transports.epoll.transport.StreamSocket", raising(error))
    else:
        patch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", raising(error))


def information_on_the_transport(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(Connection, "attach", raising(error))


def writer(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    patch.setattr(protocol, "StreamWriter", raising(error))


def tasks(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **keywords: Any) -> asyncio.Task[Any]:
        if coroutine.__name__ in ("greet", "_wrap"):
            raise error
        return asyncio.Task(coroutine, loop=loop, **keywords)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)


STEPS = [
    accepted_socket, entry, reader, protocol_object, transport, lower_transport_of_tls, information_on_the_transport,
    writer, tasks,
]  # fmt: skip


async def greet(reader: Any, writer: Any) -> None:
    writer.write(b"hello")
    writer.close()


async def served(server: Any, context: ssl.SSLContext | None) -> bool:
    reader, writer = await sluiceway.open_connection(*server_address(server), ssl=context)
    try:
        return await reader.read() == b"hello"
    finally:
        writer.close()
        await writer.wait_closed()


def until_closed(peer: RawPeer, context: ssl.SSLContext | None) -> int:
    """Return the peer's port when the server has closed the connection."""
    port: int = peer.sock.getsockname()[1]
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        if context is not None:
            peer.start_tls(context, server_hostname="localhost")
        assert peer.receive_rest() == b""
    return port


@pytest.mark.parametrize("error", [MemoryError("in a test"), OSError(5, "in a test")], ids=["MemoryError", "OSError"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("fail", STEPS)
@pytest.mark.loops("asyncio", "uvloop")
async def test_failure_in_a_step_is_reported_once_and_accepting_goes_on(
    fail: Arm,
    secure: bool,
    error: BaseException,
    raw_peers: RawPeers,
    tls: Certificates,
    loop_errors: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client_context = tls.client_context if secure else None
    server = await sluiceway.start_server(greet, "127.0.0.1", 0, ssl=tls.server_context if secure else None)
    _, listening = server_address(server)
    with monkeypatch.context() as patch:
        fail(patch, error)
        client = raw_peers.run_client(server_address(server), lambda peer: until_closed(peer, client_context))
        port = await client.finished()
    asyncio.get_running_loop().set_task_factory(None)
    (report,) = loop_errors
    loop_errors.clear()
    assert report["exception"] is error
    error.__traceback__ = None
    assert f"127.0.0.1:{port}" in f"{report}"
    assert f"127.0.0.1:{listening}" in f"{report}"
    assert server.failed_handshakes == 0

    assert await served(server, client_context)
    server.close()
    await asyncio.wait_for(server.wait_closed(), 5)


@pytest.mark.parametrize("fail", [reader, writer])
def test_interrupt_during_setup_is_raised_and_leaves_no_connection(
    fail: Arm, loop_kind: str, raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start() -> Any:
        return await sluiceway.start_server(greet, "127.0.0.1", 0)

    async def end(server: Any) -> None:
        assert await served(server, None)
        server.close()
        await asyncio.wait_for(server.wait_closed(), 5)

    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda loop, context: None)
        server = loop.run_until_complete(start())
        with monkeypatch.context() as patch:
            fail(patch, KeyboardInterrupt())
            peer = raw_peers.connect(server_address(server))
            with pytest.raises(KeyboardInterrupt):
                loop.run_until_complete(asyncio.wait_for(loop.create_future(), 5))
        loop.run_until_complete(end(server))
        with contextlib.suppress(ConnectionResetError):
            assert peer.receive_rest() == b""
