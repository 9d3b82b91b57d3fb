"""L8: sockets that a program leaves open are closed with its loop, without the garbage collector."""

import asyncio
import contextlib
import gc
import socket
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from serving.handlers import send_hello
from support import file_descriptors, loops
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until


@contextlib.contextmanager
def check_no_descriptor_left(kind: str) -> Iterator[None]:
    """Check that the block leaves no descriptor open; the garbage collector does not run in it."""
    loops.warm_up(kind)
    gc.collect()
    gc.disable()
    before = file_descriptors.open_descriptors()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
            assert file_descriptors.open_descriptors() == before
    finally:
        gc.enable()


async def wait_until_cancelled(reader: Any, writer: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await reader.read()


def test_dropped_servers_are_closed_with_loop(loop_kind: str, unix_path: str) -> None:
    async def main() -> None:
        await sluiceway.start_server(wait_until_cancelled, "127.0.0.1", 0)
        await sluiceway.start_unix_server(wait_until_cancelled, unix_path)
        await sluiceway.start_server(wait_until_cancelled, "127.0.0.1", 0, start_serving=False)

    with check_no_descriptor_left(loop_kind):
        with loops.new_runner(loop_kind) as runner:
            runner.run(main())
        del runner


async def assert_served(address: Any) -> None:
    reader, writer = await sluiceway.open_connection(*address)
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()


async def test_dropped_server_continues_serving() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = sock.getsockname()
        await sluiceway.start_server(send_hello, sock=sock)
        gc.collect()
        await assert_served(address)
        asyncio.get_running_loop().remove_reader(sock)


def test_listener_given_as_sock_stays_open_for_next_loop(loop_kind: str) -> None:
    async def serve(sock: socket.socket) -> None:
        await sluiceway.start_server(send_hello, sock=sock)
        await assert_served(sock.getsockname())

    with socket.create_server(("127.0.0.1", 0)) as sock:
        for _ in range(2):
            with loops.new_runner(loop_kind) as runner:
                runner.run(serve(sock))
            assert sock.fileno() >= 0


@pytest.mark.skipif(sluiceway.ENGINE != "epoll", reason="the loop's own transports belong to the loop")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("count", [1, 2])
def test_open_connections_are_closed_with_loop(count: int, secure: bool, loop_kind: str, tls: Certificates) -> None:
    """The connections read, are paused, half-closed or have unsent data; the loop watches a sole socket directly."""
    kept: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        kept.append((reader, writer))

    async def main() -> None:
        server = await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context if secure else None)
        options = {"ssl": tls.client_context} if secure else {}
        kept.extend([await sluiceway.open_connection(*server_address(server), **options) for _ in range(count)])
        await wait_until(lambda: len(kept) == 2 * count)
        kept[0][1].transport.pause_reading()
        kept[-1][1].write(bytes(8 << 20))

    with check_no_descriptor_left(loop_kind):
        with loops.new_runner(loop_kind) as runner:
            runner.run(main())
        del runner
        # A stream that is still referenced can be closed.
        for _, writer in kept:
            assert writer.is_closing()
            writer.write(b"discarded")
            writer.close()
        kept.clear()
        del _, writer


@pytest.mark.parametrize("state", ["open", "handshake", "server kept"])
def test_connections_of_unclosed_server_are_closed_with_loop(state: str, loop_kind: str, tls: Certificates) -> None:
    """A handler has stored the streams, or the handshake has not begun. The program may still refer to the server."""
    kept: list[Any] = []

    async def main() -> None:
        context = tls.server_context if state == "handshake" else None
        server = await sluiceway.start_server(lambda *streams: kept.append(streams), "127.0.0.1", 0, ssl=context)
        if state == "server kept":
            kept.append(server)
        peer.connect(server_address(server))
        await wait_until(lambda: any(client._transport for client in server._connections))

    with check_no_descriptor_left(loop_kind), socket.socket() as peer:
        with loops.new_runner(loop_kind) as runner:
            runner.run(main())
        del runner
        kept.clear()


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("call", ["close", "abort", "pause_reading", "resume_reading", "write_eof", "write"])
def test_transport_that_was_closed_with_its_loop_ignores_later_calls(call: str, loop_kind: str) -> None:
    kept: list[Any] = []

    async def main() -> None:
        server = await sluiceway.start_server(lambda *streams: kept.append(streams), "127.0.0.1", 0)
        peer.connect(server_address(server))
        await wait_until(lambda: kept)

    with check_no_descriptor_left(loop_kind), socket.socket() as peer:
        with loops.new_runner(loop_kind) as runner:
            runner.run(main())
        del runner
        transport = kept[0][1].transport
        assert transport.is_closing()
        getattr(transport, call)(*([b"discarded"] if call == "write" else []))
        assert transport.get_write_buffer_size() == 0
        kept.clear()
        del transport


@pytest.mark.skipif(sluiceway.ENGINE != "epoll", reason="the loop's own transports belong to the loop")
@pytest.mark.parametrize("over", ["TCP", "TLS"])
def test_unclosed_connection_warns_with_its_addresses_when_loop_is_closed(
    over: str, loop_kind: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    kept: list[Any] = []
    ends: list[str] = []
    listener = raw_peers.listen()

    def serve_tls(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        with contextlib.suppress(OSError):
            peer.receive_rest()

    async def main() -> None:
        if over == "TCP":
            kept.extend([await sluiceway.open_connection(*listener.address) for _ in range(2)])
            kept[1][1].close()
        else:
            script = raw_peers.serve(serve_tls)
            kept.append(await sluiceway.open_connection(*script.address, ssl=tls.client_context))
        names = [kept[0][1].get_extra_info(name) for name in ("sockname", "peername")]
        ends.append(" -> ".join(f"{host}:{port}" for host, port in names))

    def run() -> None:
        with loops.new_runner(loop_kind) as runner:
            runner.run(main())
        kept.clear()

    with pytest.warns(ResourceWarning) as warned:
        run()
    [message] = [str(warning.message) for warning in warned]
    assert message.startswith("unclosed <SocketTransport")
    expected = f">, connection {ends[0]}: its event loop was closed; before that, close the connection and await "
    assert message.endswith(f"{expected}wait_closed()")


@pytest.mark.loops("asyncio")
def test_unclosed_accepted_connection_warns_with_its_addresses_when_loop_is_closed(
    loop_kind: str, raw_peers: RawPeers
) -> None:
    kept: list[Any] = []
    ends: list[str] = []

    async def main() -> None:
        server = await sluiceway.start_server(lambda *streams: kept.append(streams), "127.0.0.1", 0)
        address = server_address(server)
        port = raw_peers.connect(address).sock.getsockname()[1]
        ends.append(f", connection {address[0]}:{address[1]} -> 127.0.0.1:{port}: its event loop was closed")
        await wait_until(lambda: kept)

    def run() -> None:
        with loops.new_runner(loop_kind) as runner:
            runner.run(main())
        kept.clear()

    with pytest.warns(ResourceWarning) as warned:
        run()
    assert any(ends[0] in str(warning.message) for warning in warned)


@pytest.mark.skipif(sluiceway.ENGINE != "epoll", reason="the loop's own transports belong to the loop")
def test_exception_of_protocol_over_tls_is_logged_when_loop_is_closed(
    loop_kind: str, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(sluiceway.StreamReaderProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            raise ValueError("an error of the program")

    kept: list[Any] = []

    async def main() -> None:
        server = await sluiceway.start_server(
            lambda *streams: kept.append(streams), "127.0.0.1", 0, ssl=tls.server_context
        )
        client = await sluiceway.open_connection(
            *server_address(server), ssl=tls.client_context, server_hostname="localhost"
        )
        client[1].transport.set_protocol(Failing(sluiceway.StreamReader()))
        kept.extend([server, client])

    with check_no_descriptor_left(loop_kind):
        with loops.new_runner(loop_kind) as runner:
            runner.run(main())
        del runner
        kept.clear()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["an error of the program"]
