"""An exception of a signal handler at the end of a TLS connection keeps no call waiting."""

import asyncio
from typing import Any

import pytest

import sluiceway
from sluiceway._connection.connection import Connection
from sluiceway._transports.tls.close_notify import CloseSequence
from sluiceway._transports.tls.transport import TLSTransport
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.scheduling import wait_until
from support.timeouts import PEER_TIMEOUT


@pytest.mark.parametrize("error", [TimeoutError, LookupError])
@pytest.mark.parametrize("interrupted", [(TLSTransport, "lower_lost"), (Connection, "end_error")])
@pytest.mark.parametrize("delayed", [False, True])
async def test_exception_at_end_of_connection_does_not_keep_close_waiting(
    error: type[Exception],
    interrupted: tuple[type, str],
    delayed: bool,
    tls: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    loop_errors: list[dict[str, Any]],
) -> None:
    call = getattr(*interrupted)
    raised: set[Any] = set()

    def raise_once(self: Any, cause: BaseException | None) -> Any:
        if self not in raised:
            raised.add(self)
            raise error("in a signal handler")
        return call(self, cause)

    async def handle(_: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.close()

    monkeypatch.setattr(*interrupted, raise_once)
    # As if each connection ended between the handshake and the coroutine that waits for it.
    monkeypatch.setattr(TLSTransport, "wakes_after_handshake", lambda _: delayed)
    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        reader, writer = await sluiceway.open_connection(
            *server_address(server), ssl=tls.client_context, server_hostname="localhost"
        )
        assert await asyncio.wait_for(reader.read(), PEER_TIMEOUT) == b""
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), PEER_TIMEOUT)
        server.close()
        await asyncio.wait_for(server.wait_closed(), PEER_TIMEOUT)
    # The server waits no more for a connection whose transport was freed.
    await wait_until(lambda: len(raised) == 2)
    assert {str(context["exception"]) for context in loop_errors} == {f"{error('in a signal handler')}"}
    loop_errors.clear()


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
async def test_exception_in_close_does_not_keep_wait_closed_waiting(
    error: type[BaseException], tls: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """close_notify was not sent, and nothing would start the close again."""

    def interrupt(_: CloseSequence) -> None:
        raise error("in a signal handler")

    options = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client=options) as ((_, writer), _):
        with monkeypatch.context() as patch:
            patch.setattr(CloseSequence, "start", interrupt)
            with pytest.raises(error, match="in a signal handler"):
                writer.close()
        await asyncio.wait_for(writer.wait_closed(), PEER_TIMEOUT)


async def test_end_of_connection_during_close_raises_nothing(tls: Certificates) -> None:
    """A finalizer in close() may run the loop nested, which reports the end."""
    options = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(sluiceway, server={"ssl": tls.server_context}, client=options) as ((_, writer), _):
        transport = writer.transport
        lower = transport.lower

        class EndsConnection:
            def unwrap(self) -> None:
                transport.lower_protocol.connection_lost(None)

        transport.raw.sslobject = EndsConnection()
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), PEER_TIMEOUT)
        lower.abort()
