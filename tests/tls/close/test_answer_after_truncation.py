"""T3: a request that FIN follows without close_notify is answered, even if both have arrived before the loop continues.

The peers send both between two iterations of the loop, by Unix sockets, which deliver at once.
"""

import asyncio
import contextlib
import ssl
import types
import unittest.mock
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.tls import truncation
from support.certificates import Certificates
from support.connections import connected_pair
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, wait_until
from support.timeouts import PEER_TIMEOUT

REQUEST = b"request\n"
# More than the budgets of reads and drains: the tasks of sluiceway yield to the loop several times. The records of the
# answers are less than 64 KiB, so drain() does not wait for the peer.
LINES = b"".join(b"line %d\n" % number for number in range(1000))

Handler = Callable[[Any, Any], Awaitable[None]]

# With one connection, the engine returns to the loop after each receive.
each_count = pytest.mark.parametrize("count", [1, 4])


class Peer:
    """A TLS client over a Unix socket."""

    def __init__(self, raw_peer: RawPeer, tls: Certificates) -> None:
        self.raw = raw_peer
        self.tls = ManualTLS(raw_peer, tls.client_context, server_hostname="localhost")
        self._last_flight = b""

    async def handshake(self, complete: bool = True) -> None:
        """Without ``complete``, the last records of the handshake are sent with the request."""
        if complete:
            await self.raw.in_thread(self.tls.do_handshake)
        else:
            self._last_flight = await self.raw.in_thread(self.tls.last_flight)

    def send_then_fin(self, data: bytes, alert: bool = False) -> None:
        records = self._last_flight + self.tls.encrypt(data)
        self.raw.send(records + self.tls.close_notify() if alert else records)
        self.raw.half_close()

    async def answer(self) -> bytes:
        """Return what arrives until the end, with or without close_notify."""
        records = await self.raw.in_thread(self.raw.receive_rest)
        self.raw.close()
        return self.tls.decrypt(records)


async def answer_first_line(reader: Any, writer: Any) -> None:
    writer.write(await reader.readline())
    writer.close()


async def answer_each_line(reader: Any, writer: Any) -> None:
    with contextlib.suppress(OSError):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    writer.close()


async def answer_all_lines(reader: Any, writer: Any) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


@contextlib.asynccontextmanager
async def connected_peers(
    count: int,
    handle: Handler,
    streams: types.ModuleType,
    raw_peers: RawPeers,
    unix_path: str,
    tls: Certificates,
    complete: bool = True,
    **options: Any,
) -> AsyncIterator[list[Peer]]:
    """Start a server, and yield its clients after their handshakes. See Peer.handshake() for ``complete``."""
    server = await streams.start_unix_server(handle, unix_path, ssl=tls.server_context, **options)
    try:
        peers = [Peer(raw_peers.connect(unix_path), tls) for _ in range(count)]
        for peer in peers:
            await peer.handshake(complete)
        if complete:
            await run_iterations(10)
        yield peers
    finally:
        server.close()
        await server.wait_closed()


async def answers(peers: list[Peer], request: bytes, alert: bool = False) -> list[bytes]:
    for peer in peers:
        peer.send_then_fin(request, alert)
    return [await peer.answer() for peer in peers]


@each_count
@pytest.mark.reference_fails("T3", "uvloop loses the answer", when=lambda loop_kind: loop_kind == "uvloop")
async def test_request_sent_with_the_end_of_the_handshake_is_answered(
    count: int, streams: types.ModuleType, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    """The task of the handler has not started when the data arrives."""
    async with connected_peers(count, answer_first_line, streams, raw_peers, unix_path, tls, complete=False) as peers:
        assert await answers(peers, REQUEST) == [REQUEST] * count


@each_count
async def test_request_of_a_waiting_read_is_answered(
    count: int, streams: types.ModuleType, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    async with connected_peers(count, answer_first_line, streams, raw_peers, unix_path, tls) as peers:
        assert await answers(peers, REQUEST) == [REQUEST] * count


@each_count
@pytest.mark.parametrize("handle", [answer_each_line, answer_all_lines])
async def test_requests_that_exhaust_the_budget_are_all_answered(
    handle: Handler, count: int, streams: types.ModuleType, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    """asyncio's task answers all of them in one step; that of sluiceway yields to the loop between them."""
    async with connected_peers(count, handle, streams, raw_peers, unix_path, tls) as peers:
        assert await answers(peers, LINES) == [LINES] * count


@each_count
async def test_handler_of_a_stream_answers_before_the_end(
    count: int, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    async def handle(stream: sluiceway.Stream) -> None:
        async for line in stream.lines():
            await stream.send(line)

    handler = sluiceway.stream_handler(handle)
    async with connected_peers(count, handler, sluiceway, raw_peers, unix_path, tls, complete=False) as peers:
        assert await answers(peers, LINES) == [LINES] * count


@each_count
async def test_strict_eof_is_raised_after_the_answer(
    count: int, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    errors: list[BaseException] = []

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        with pytest.raises(ssl.SSLEOFError) as caught:
            await reader.readline()
        errors.append(caught.value)
        writer.close()

    async with connected_peers(
        count, handle, sluiceway, raw_peers, unix_path, tls, complete=False, strict_eof=True
    ) as peers:
        assert await answers(peers, REQUEST) == [REQUEST] * count
        await wait_until(lambda: len(errors) == count)


@each_count
async def test_request_after_an_upgrade_is_answered(
    count: int, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        await writer.start_tls(tls.server_context)
        await answer_first_line(reader, writer)

    async with await sluiceway.start_unix_server(handle, unix_path):
        peers = []
        for _ in range(count):
            raw_peer = raw_peers.connect(unix_path)
            raw_peer.send(b"STARTTLS\n")
            assert await raw_peer.in_thread(raw_peer.receive, 9) == b"STARTTLS\n"
            peers.append(Peer(raw_peer, tls))
        for peer in peers:
            await peer.handshake(complete=False)
        assert await answers(peers, REQUEST) == [REQUEST] * count


@each_count
@pytest.mark.reference_fails("T3", "uvloop loses the answer", when=lambda loop_kind: loop_kind == "uvloop")
async def test_client_answers_a_request_sent_with_the_end_of_the_handshake(
    count: int, streams: types.ModuleType, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    context = tls.new_server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the server completes the handshake

    async def run() -> None:
        await answer_first_line(
            *await streams.open_unix_connection(unix_path, ssl=tls.client_context, server_hostname="localhost")
        )

    listener = raw_peers.listen(unix=unix_path)
    clients = [asyncio.create_task(run()) for _ in range(count)]
    servers = []
    for _ in range(count):
        raw_peer = await asyncio.to_thread(listener.accept)
        manual_tls = ManualTLS(raw_peer, context, server_side=True)
        servers.append((raw_peer, manual_tls, await raw_peer.in_thread(manual_tls.last_flight)))
    for raw_peer, manual_tls, flight in servers:
        raw_peer.send(flight + manual_tls.encrypt(REQUEST))
        raw_peer.half_close()
    for raw_peer, manual_tls, _ in servers:
        assert manual_tls.decrypt(await raw_peer.in_thread(raw_peer.receive_rest)) == REQUEST
        raw_peer.close()
    await asyncio.gather(*clients)


@each_count
async def test_request_within_tls_in_tls_is_answered(
    count: int, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        assert await reader.readline() == b"CONNECT\n"
        await writer.start_tls(tls.server_context)
        await answer_each_line(reader, writer)

    async with connected_peers(count, handle, sluiceway, raw_peers, unix_path, tls) as peers:
        inner = []
        for peer in peers:
            manual_tls = ManualTLS(peer.tls, tls.client_context, server_hostname="localhost")
            peer.raw.send(peer.tls.encrypt(b"CONNECT\n"))
            await peer.raw.in_thread(manual_tls.do_handshake)
            inner.append(manual_tls)
        for peer, manual_tls in zip(peers, inner, strict=True):
            peer.send_then_fin(manual_tls.encrypt(LINES))
        for peer, manual_tls in zip(peers, inner, strict=True):
            assert manual_tls.decrypt(await peer.answer()) == LINES


@each_count
@pytest.mark.parametrize("complete", [False, True])
async def test_request_with_close_notify_is_not_answered(
    complete: bool, count: int, streams: types.ModuleType, raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    async with connected_peers(count, answer_first_line, streams, raw_peers, unix_path, tls, complete) as peers:
        assert await answers(peers, REQUEST, alert=True) == [b""] * count


async def test_drains_without_reads_do_not_delay_the_end_without_bound(
    raw_peers: RawPeers, unix_path: str, tls: Certificates
) -> None:
    errors: list[BaseException] = []

    async def handle(_: Any, writer: Any) -> None:
        with pytest.raises(ConnectionResetError) as caught:
            while True:
                await writer.drain()
        errors.append(caught.value)

    async with connected_peers(1, handle, sluiceway, raw_peers, unix_path, tls) as (peer,):
        peer.send_then_fin(REQUEST)
        await wait_until(lambda: errors)
        assert await peer.answer() == b""


async def test_end_is_reported_after_resume_reading(raw_peers: RawPeers, unix_path: str, tls: Certificates) -> None:
    states: list[Any] = []

    async def handle(reader: Any, writer: Any) -> None:
        assert await reader.readline() == REQUEST
        writer.transport.pause_reading()
        await run_iterations(10)
        states.append(writer.transport.is_closing())
        writer.write(REQUEST)
        writer.transport.resume_reading()
        states.append(await asyncio.wait_for(reader.read(), PEER_TIMEOUT))
        states.append(reader.eof_reason)
        writer.close()

    async with connected_peers(1, handle, sluiceway, raw_peers, unix_path, tls, complete=False) as peers:
        assert await answers(peers, REQUEST) == [REQUEST]
        await wait_until(lambda: len(states) == 3)
        assert states == [False, b"", "truncated"]


@contextlib.asynccontextmanager
async def end_received(tls: Certificates, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yield reader and writer of a TLS connection whose transport has received the end, and has not reported it."""
    client = {"ssl": tls.client_context, "server_hostname": "localhost", **options}
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client=client) as ((reader, writer), _):
        assert writer.transport.lower_protocol.eof_received()
        assert not reader.at_eof()
        try:
            yield reader, writer
        finally:
            writer.transport.lower.abort()


async def test_exception_in_the_report_does_not_lose_the_end(
    tls: Certificates, monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    report = truncation.report_truncation
    interrupts = [LookupError("in a signal handler"), LookupError("in a signal handler")]

    def interrupted(transport: Any) -> None:
        if interrupts:
            raise interrupts.pop()
        report(transport)

    monkeypatch.setattr(truncation, "report_truncation", interrupted)
    async with end_received(tls) as (reader, _):
        assert await asyncio.wait_for(reader.read(), PEER_TIMEOUT) == b""
        assert reader.eof_reason == "truncated"
    assert len(loop_errors) == 2
    loop_errors.clear()


async def test_report_that_never_succeeds_aborts_the_connection(
    tls: Certificates, loop_errors: list[dict[str, Any]]
) -> None:
    protocol = unittest.mock.Mock(spec=["connection_lost"])  # has no eof_received()
    async with end_received(tls) as (_, writer):
        protocol.connection_lost = writer.transport.get_protocol().connection_lost
        writer.transport.set_protocol(protocol)
        await run_iterations()
        assert writer.transport.lower.is_closing()
    assert {type(context["exception"]) for context in loop_errors} == {AttributeError}
    loop_errors.clear()


async def test_end_is_reported_to_a_mock(tls: Certificates) -> None:
    protocol = unittest.mock.Mock(spec=sluiceway.StreamReaderProtocol)
    async with end_received(tls) as (_, writer):
        protocol.connection_lost = writer.transport.get_protocol().connection_lost
        writer.transport.set_protocol(protocol)
        await run_iterations()
        protocol.eof_received.assert_called_once_with()


async def test_is_reading_is_true_until_the_report(tls: Certificates) -> None:
    """A program that pauses reading for a while resumes it only if is_reading() was True: otherwise no end comes."""
    async with end_received(tls) as (reader, writer):
        transport = writer.transport
        transport.lower.pause_reading()  # uvloop's transport does not read after the end
        assert transport.is_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        await run_iterations()
        assert not reader.at_eof()
        transport.resume_reading()
        assert await asyncio.wait_for(reader.read(), PEER_TIMEOUT) == b""
        assert not transport.is_reading()


@pytest.mark.parametrize("strict_eof", [False, True])
@pytest.mark.parametrize("error", [None, ConnectionResetError("reset by peer")])
async def test_loss_before_the_report_comes_after_the_end(
    error: Exception | None, strict_eof: bool, tls: Certificates
) -> None:
    async with end_received(tls, strict_eof=strict_eof) as (reader, writer):
        writer.transport.lower_protocol.connection_lost(error)
        if strict_eof:
            with pytest.raises(ssl.SSLEOFError):
                await reader.read()
        else:
            assert await reader.read() == b""
        assert reader.eof_reason == "truncated"
        await run_iterations()


@pytest.mark.parametrize("call", ["close", "abort"])
async def test_close_before_the_report_does_not_wait_for_the_peer(call: str, tls: Certificates) -> None:
    async with end_received(tls) as (reader, writer):
        getattr(writer.transport, call)()
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), PEER_TIMEOUT)
        assert await reader.read() == b""


async def test_second_end_of_the_lower_transport_is_reported_once(
    tls: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After pause_reading() and resume_reading(), asyncio's transport reports the end again."""
    reports: list[Any] = []
    report = truncation.report_truncation
    monkeypatch.setattr(
        truncation, "report_truncation", lambda transport: (reports.append(transport), report(transport))
    )
    async with end_received(tls) as (reader, writer):
        assert writer.transport.lower_protocol.eof_received()
        assert await reader.read() == b""
        await run_iterations()
        assert reports == [writer.transport]
