"""Which methods of its protocol a TLS transport calls when the handshake ends; the lower transport is a mock."""

import asyncio
import ssl
from unittest import mock

import pytest

from sluiceway._transports.tls.handshake import Handshake
from sluiceway._transports.tls.transport import TLSTransport
from support.certificates import Certificates


class RecordsCalls(asyncio.Protocol):
    """Records the calls of connection_made() and connection_lost()."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")

    def connection_lost(self, exc: Exception | None) -> None:
        assert isinstance(exc, ssl.SSLError)
        self.calls.append("lost")


@pytest.mark.parametrize("call_connection_made", [True, False])
async def test_failed_handshake_calls_connection_lost_only_if_connection_made_was_called(
    call_connection_made: bool, tls: Certificates
) -> None:
    """With ``call_connection_made=False``, start_tls(), the protocol has the connection already."""
    protocol = RecordsCalls()
    lower = mock.create_autospec(asyncio.Transport, instance=True)
    lower.is_closing.return_value = False
    lower.get_write_buffer_size.return_value = 0
    transport = TLSTransport(
        asyncio.get_running_loop(),
        protocol,
        tls.server_context,
        server_side=True,
        call_connection_made=call_connection_made,
    )
    transport.start_on(lower, b"220 mail.example ready\r\n", False)
    lower.close.assert_called_once_with()
    transport.lower_protocol.connection_lost(None)
    assert protocol.calls == ([] if call_connection_made else ["lost"])
    with pytest.raises(ssl.SSLError):
        await transport.wait_for_handshake()


async def test_end_in_a_loop_nested_in_the_handler_is_the_end_of_a_connection(tls: Certificates) -> None:
    """connection_made() calls the handler. The handshake is complete, so it does not fail."""
    calls: list[object] = []

    class RunsTheLoop(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            calls.append("made")
            protocol.connection_lost(error)

        def data_received(self, data: bytes) -> None:
            calls.append(data)

        def connection_lost(self, exc: Exception | None) -> None:
            calls.append(exc)

    error = ConnectionResetError()
    transport = TLSTransport(
        asyncio.get_running_loop(),
        RunsTheLoop(),
        tls.server_context,
        server_side=True,
        on_failure=lambda error: calls.append("failed"),
    )
    lower = mock.create_autospec(asyncio.Transport, instance=True)
    lower.get_write_buffer_size.return_value = 0
    protocol = transport.lower_protocol
    protocol.connection_made(lower)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    receive(protocol, outgoing.read())
    for call in lower.write.call_args_list:
        incoming.write(call.args[0])
    client.do_handshake()
    client.write(b"data")
    receive(protocol, outgoing.read())
    assert calls == ["made", b"data", error]


def receive(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    memory = memoryview(protocol.get_buffer(-1))
    memory[: len(data)] = data
    memory.release()
    protocol.buffer_updated(len(data))


async def test_wait_for_a_handshake_that_is_complete_returns() -> None:
    handshake = Handshake(asyncio.get_running_loop(), 60, None)
    handshake.report(None)
    await handshake.wait()
    await handshake.wait()


@pytest.mark.parametrize("arrived", ["data", "end"])
async def test_what_arrives_after_a_cancelled_connect_is_ignored(arrived: str, tls: Certificates) -> None:
    """Windows' proactor loop delivers data, or the end of the input, that it had received before abort()."""
    loop = asyncio.get_running_loop()
    transport = TLSTransport(
        loop, asyncio.Protocol(), tls.client_context, server_side=False, server_hostname="localhost"
    )
    lower = mock.create_autospec(asyncio.Transport, instance=True)
    protocol = transport.lower_protocol
    protocol.connection_made(lower)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(lower.write.call_args.args[0])
    with pytest.raises(ssl.SSLWantReadError):
        tls.server_context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    flight = outgoing.read()
    transport.discard()
    lower.abort.assert_called_once_with()
    if arrived == "data":
        receive(protocol, flight)
    else:
        assert protocol.eof_received() is False
    protocol.connection_lost(None)
    # The ClientHello alone.
    lower.write.assert_called_once()
