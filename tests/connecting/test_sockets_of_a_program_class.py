"""A socket whose class overrides the methods that move bytes is used by these methods, as in asyncio."""

import asyncio
import contextlib
import socket
from typing import Any, Self

import pytest

import sluiceway
from support.certificates import Certificates

pytestmark = pytest.mark.loops("asyncio", "eager")


class Sending(socket.socket):
    """Changes the case of what is sent, and counts the calls."""

    calls = 0

    def send(self, data: Any, flags: int = 0, /) -> int:
        self.calls += 1
        return super().send(bytes(data).swapcase(), flags)

    def sendmsg(self, buffers: Any, *arguments: Any) -> int:
        return self.send(b"".join(buffers))

    def shutdown(self, how: int, /) -> None:
        super().send(b"!")
        super().shutdown(how)


class Receiving(socket.socket):
    """Changes the case of what is received by recv(), the only method that asyncio's streams call."""

    calls = 0

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        self.calls += 1
        return super().recv(size, flags).swapcase()


class ReceivingInto(socket.socket):
    calls = 0

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0, /) -> int:
        self.calls += 1
        data = super().recv(size or len(buffer), flags).swapcase()
        buffer[: len(data)] = data
        return len(data)


class ReceivingByInto(socket.socket):
    """Its recv() calls its recv_into(), which the class does not override."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer, size, flags)]).swapcase()


class Wrapping:
    """Not a socket: forwards to one."""

    def __init__(self, sock: socket.socket) -> None:
        object.__setattr__(self, "sock", sock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.sock, name, value)

    def recv(self, size: int) -> bytes:
        return self.sock.recv(size).swapcase()


class Both(Sending, Receiving):
    def accept(self) -> tuple[socket.socket, Any]:
        descriptor, address = self._accept()
        return Both(self.family, self.type, self.proto, descriptor), address


def with_class(kind: type[socket.socket], sock: socket.socket) -> socket.socket:
    return kind(sock.family, sock.type, sock.proto, sock.detach())


@pytest.mark.parametrize("kind", [Sending, Receiving, ReceivingInto, Both])
@pytest.mark.parametrize("opened_by", ["open_unix_connection", "connect"])
async def test_methods_of_a_connected_socket_move_the_bytes(kind: type[socket.socket], opened_by: str) -> None:
    near, far = socket.socketpair()
    with far:
        sock = with_class(kind, near)
        if opened_by == "connect":
            stream = await sluiceway.connect(sock)
            reader, writer = stream.reader, stream.writer
        else:
            sock.setblocking(False)
            reader, writer = await sluiceway.open_unix_connection(sock=sock)
        assert isinstance(sock, kind)
        writer.write(b"from here")
        await writer.drain()
        writer.write_eof()
        expected = b"FROM HERE!" if issubclass(kind, Sending) else b"from here"
        received = b""
        while data := await asyncio.to_thread(far.recv, 100):
            received += data
        assert received == expected
        far.send(b"from there\n")
        assert await reader.readline() == (
            b"FROM THERE\n" if issubclass(kind, Receiving | ReceivingInto) else b"from there\n"
        )
        writer.close()
        await writer.wait_closed()


async def test_recv_that_calls_recv_into_of_the_object_moves_the_bytes() -> None:
    near, far = socket.socketpair()
    with far:
        sock = with_class(ReceivingByInto, near)
        sock.setblocking(False)
        shown = repr(sock)
        reader, writer = await sluiceway.open_unix_connection(sock=sock)
        assert repr(sock) == shown
        far.send(b"from there\n")
        assert await reader.readline() == b"FROM THERE\n"
        writer.close()
        await writer.wait_closed()


async def test_recv_of_an_object_that_wraps_a_socket_moves_the_bytes() -> None:
    near, far = socket.socketpair()
    with far:
        near.setblocking(False)
        sock: Any = Wrapping(near)
        reader, writer = await sluiceway.open_unix_connection(sock=sock)
        far.send(b"from there\n")
        assert await reader.readline() == b"FROM THERE\n"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("encrypted", [False, True], ids=["tcp", "tls"])
async def test_methods_of_sockets_that_accept_returns_move_the_bytes(tls: Certificates, encrypted: bool) -> None:
    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()

    accepted: list[Both] = []

    class Listening(Both):
        def accept(self) -> tuple[socket.socket, Any]:
            sock, address = super().accept()
            assert isinstance(sock, Both)
            accepted.append(sock)
            return sock, address

    listener = Listening()
    listener.bind(("127.0.0.1", 0))
    async with await sluiceway.start_server(echo, sock=listener, ssl=tls.server_context if encrypted else None):
        with contextlib.closing(with_class(Both, socket.create_connection(listener.getsockname()))) as sock:
            sock.setblocking(False)
            reader, writer = await sluiceway.open_connection(
                sock=sock,
                ssl=tls.client_context if encrypted else None,
                server_hostname="localhost" if encrypted else None,
            )
            writer.write(b"line\n")
            assert await reader.readline() == b"line\n"
            writer.close()
            await writer.wait_closed()
    assert accepted[0].calls > 1


@pytest.mark.parametrize("kind", [Sending, Receiving])
async def test_class_that_replaces_the_sockets_of_the_module_moves_the_bytes(
    kind: type[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library for tests, such as mocket, replaces socket.socket after this package was imported."""

    async def handle(reader: Any, writer: Any) -> None:
        received.append(await reader.readline())
        writer.write(b"answer\n")
        await writer.drain()
        await reader.read()
        writer.close()

    received: list[bytes] = []
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", kind)
        async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
            reader, writer = await sluiceway.open_connection(*server.sockets[0].getsockname())
            writer.write(b"question\n")
            received.append(await reader.readline())
            writer.close()
            await writer.wait_closed()
    assert received == [b"QUESTION\n", b"ANSWER\n"]


async def test_class_that_permits_unix_sockets_alone_can_be_accepted(
    unix_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of pytest-socket, which tests the family when it creates an object."""

    class UnixOnly(socket.socket):
        def __new__(cls, family: int = -1, *arguments: Any, **keywords: Any) -> Self:
            assert family == socket.AF_UNIX
            return super().__new__(cls)

    async def echo(reader: Any, writer: Any) -> None:
        assert writer.get_extra_info("socket").family == socket.AF_UNIX
        writer.write(await reader.readline())
        writer.close()

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", UnixOnly)
        async with await sluiceway.start_unix_server(echo, unix_path):
            reader, writer = await sluiceway.open_unix_connection(unix_path)
            writer.write(b"line\n")
            assert await reader.readline() == b"line\n"
            writer.close()
            await writer.wait_closed()
