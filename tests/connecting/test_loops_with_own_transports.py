"""A subclass of asyncio's loop may create other transports, which ask for a buffer before data has arrived."""

import asyncio
import contextlib
import socket
import types
from asyncio import proactor_events
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.loop_adapter import own_memory_of, scratch_of
from support.certificates import Certificates
from support.connections import server_address
from support.scheduling import run_iterations
from support.timeouts import TEST_TIMEOUT


class CompletionTransport(asyncio.Transport):
    """Asks for a buffer, waits until data is in it, and calls buffer_updated() later, as the transports of gbulb."""

    def __init__(self, loop: Any, sock: socket.socket, protocol: Any, waiter: Any) -> None:
        super().__init__({"socket": sock, "peername": sock.getpeername(), "sockname": sock.getsockname()})
        self._loop, self._sock, self._protocol = loop, sock, protocol
        self._closing = False
        self._reading: asyncio.Task[int] | None = None
        loop.call_soon(self._begin, waiter)

    def _begin(self, waiter: asyncio.Future[None] | None) -> None:
        self._protocol.connection_made(self)
        if waiter is not None:
            waiter.set_result(None)
        self._read()

    def _read(self) -> None:
        # Like gbulb's, sock_recv_into() keeps the object that get_buffer() returns, and uses it when data has arrived.
        self._reading = self._loop.create_task(self._loop.sock_recv_into(self._sock, self._protocol.get_buffer(-1)))
        self._reading.add_done_callback(self._received)

    def _received(self, reading: asyncio.Task[int]) -> None:
        if not self._closing:
            if count := reading.result():
                self._protocol.buffer_updated(count)
                self._read()
                if not self._closing:
                    return
                assert self._reading is not None
                self._reading.cancel()
            else:
                self._closing = True
                self._protocol.eof_received()
        self._protocol.connection_lost(None)
        self._sock.close()

    def write(self, data: Any) -> None:
        self._sock.send(data)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        if self._reading is not None:
            self._reading.cancel()

    def abort(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol


class LoopOfPrivateMethod(asyncio.SelectorEventLoop):
    def _make_socket_transport(self, sock: Any, protocol: Any, waiter: Any = None, **_: Any) -> asyncio.Transport:
        return CompletionTransport(self, sock, protocol, waiter)


class LoopOfPublicMethods(asyncio.SelectorEventLoop):
    async def create_connection(self, protocol_factory: Any, *_: Any, sock: Any, **__: Any) -> Any:
        protocol, waiter = protocol_factory(), self.create_future()
        transport = CompletionTransport(self, sock, protocol, waiter)
        await waiter
        return transport, protocol

    async def connect_accepted_socket(self, protocol_factory: Any, sock: Any, **_: Any) -> Any:
        return await self.create_connection(protocol_factory, sock=sock)


class LoopOfUnixMethod(asyncio.SelectorEventLoop):
    async def create_unix_connection(self, protocol_factory: Any, *_: Any, sock: Any, **__: Any) -> Any:
        return await LoopOfPublicMethods.create_connection(self, protocol_factory, sock=sock)  # type: ignore[arg-type]


class LoopOfProactorTransports(asyncio.SelectorEventLoop):
    """Creates the transports of Windows' proactor loop, which copy what they have received into a buffer."""

    def __init__(self) -> None:
        super().__init__()
        # What the transports use of a proactor. Each method returns a future.
        self._proactor = types.SimpleNamespace(
            recv_into=lambda *args: self.create_task(self.sock_recv_into(*args)),
            send=lambda *args: self.create_task(self.sock_sendall(*args)),
        )

    def _make_socket_transport(self, sock: Any, protocol: Any, *args: Any, **options: Any) -> Any:
        loop_of_windows: Any = proactor_events.BaseProactorEventLoop
        return loop_of_windows._make_socket_transport(self, sock, protocol, *args, **options)


def loop_of_uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")

    class LoopOfUvloop(uvloop.Loop):  # type: ignore[misc, name-defined]
        create_connection = LoopOfPublicMethods.create_connection
        connect_accepted_socket = LoopOfPublicMethods.connect_accepted_socket

    return LoopOfUvloop()


async def echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def exchange(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter, name: int) -> None:
    for number in range(10):
        line = b"%d %d\n" % (name, number)
        writer.write(line)
        assert await reader.readline() == line
    writer.close()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "new_loop", [LoopOfPrivateMethod, LoopOfPublicMethods, LoopOfProactorTransports, loop_of_uvloop]
)
def test_data_of_concurrent_connections_is_not_mixed(
    new_loop: Callable[[], asyncio.AbstractEventLoop], secure: bool, tls: Certificates
) -> None:
    async def connect(address: tuple[str, int], name: int) -> None:
        await exchange(*await sluiceway.open_connection(*address, ssl=tls.client_context if secure else None), name)

    async def serve_and_connect() -> None:
        context = tls.server_context if secure else None
        async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
            await asyncio.gather(*(connect(server_address(server), name) for name in range(4)))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(serve_and_connect(), TEST_TIMEOUT))


def test_data_of_concurrent_unix_connections_is_not_mixed(unix_path: str) -> None:
    async def connect(name: int) -> None:
        await exchange(*await sluiceway.open_unix_connection(unix_path), name)

    async def serve_and_connect() -> None:
        async with await sluiceway.start_unix_server(echo, unix_path):
            await asyncio.gather(*(connect(name) for name in range(4)))

    with asyncio.Runner(loop_factory=LoopOfUnixMethod) as runner:
        runner.run(serve_and_connect())


@pytest.mark.parametrize("call", ["readinto", "read_exactly_into", "read_exactly"])
def test_data_after_a_cancelled_read_is_kept(call: str) -> None:
    """The transport asks for memory while the read waits, and receives after the read was cancelled."""

    async def main() -> None:
        ours, peer = socket.socketpair()
        begun = asyncio.Event()

        async def read_twice(stream: sluiceway.Stream) -> None:
            await stream.read_exactly(1)
            begun.set()
            await (stream.read_exactly(100_000) if call == "read_exactly" else getattr(stream, call)(bytearray(10)))

        with peer:
            async with await sluiceway.connect(ours) as stream:
                reading = asyncio.create_task(read_twice(stream))
                await run_iterations()
                peer.send(b"1")
                # Waits without a callback in the queue of the loop: then the task runs within buffer_updated().
                await begun.wait()
                await run_iterations()
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reading
                for line in (b"two\n", b"three\n"):
                    peer.send(line)
                    assert await stream.read_until(b"\n") == line

    with asyncio.Runner(loop_factory=LoopOfPrivateMethod) as runner:
        runner.run(main())


def test_start_tls_gets_what_the_transport_receives_into_its_earlier_buffer(tls: Certificates) -> None:
    """The transport asks for memory before start_tls() replaces its protocol."""

    async def upgrade_and_echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"ready\n")
        await run_iterations()
        await writer.start_tls(tls.server_context)
        await echo(reader, writer)

    async def serve_and_connect() -> None:
        async with await sluiceway.start_server(upgrade_and_echo, "127.0.0.1", 0) as server:
            reader, writer = await sluiceway.open_connection(*server_address(server))
            writer.write(b"starttls\n")
            await reader.readline()
            await run_iterations()
            await writer.start_tls(tls.client_context, server_hostname="localhost")
            await exchange(reader, writer, 1)

    with asyncio.Runner(loop_factory=LoopOfPrivateMethod) as runner:
        runner.run(serve_and_connect())


class LoopWithoutWeakReferences:
    __slots__ = ()


def test_pipes_share_memory_if_the_loop_has_weak_references() -> None:
    with contextlib.closing(LoopOfPrivateMethod()) as loop:
        assert scratch_of(loop) is scratch_of(loop)
    assert len(scratch_of(LoopWithoutWeakReferences()).part(100)) == 100


async def test_connections_of_the_loops_of_asyncio_and_uvloop_share_one_buffer() -> None:
    assert own_memory_of(asyncio.get_running_loop()) is None
