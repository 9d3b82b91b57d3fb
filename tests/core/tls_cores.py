"""Two sides of a TLS connection in memory, connected without a transport."""

import math
import ssl
import types
from collections.abc import Callable
from typing import Any

from support.certificates import Certificates
from support.renegotiating_tls import RenegotiatingSSLObject


class RecordedBIO:
    """A BIO with the methods that TLSReceiver calls; ``writes`` lists the sizes of its writes."""

    def __init__(self, bio: ssl.MemoryBIO) -> None:
        self.read = bio.read
        self.writes: list[int] = []
        self._bio = bio

    def write(self, data: Any) -> int:
        self.writes.append(len(data))
        return self._bio.write(data)


class TLSEnd:
    """Owner and lower transport of one side: sent records are in ``sent``, received plaintext in ``received``."""

    def __init__(self, core: types.ModuleType, context: ssl.SSLContext, **options: Any) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.sslobject = RenegotiatingSSLObject(context.wrap_bio(incoming, outgoing, **options))
        self.sent = self.received = b""
        self.close_notifies_sent = self.close_notifies_received = self.flow_control_updates = 0
        self.answers_blocked_calls = 0
        self.failures: list[BaseException] = []
        # Bytes in ``sent`` above which it pauses, and what is called then.
        self.room = math.inf
        self.closed = False
        self.when_paused: Callable[[], object] | None = None
        self.sender = core.TLSSender(self.sslobject, outgoing, self)
        self.incoming = RecordedBIO(incoming)
        self.receiver = core.TLSReceiver(self.sslobject, self.incoming, self.sender, self)
        self.receiver.set_protocol(self)
        self.sender.set_lower(self)

    # -- the lower transport ------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.sent += data
        if len(self.sent) > self.room and not self.sender.lower_paused:
            self.sender.pause()
            if self.when_paused is not None:
                self.when_paused()

    def is_closing(self) -> bool:
        return self.closed

    def resume(self) -> None:
        self.sender.lower_paused = False
        self.sender.flush(False)

    # -- the protocol -------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self.received += data

    # -- the owner ----------------------------------------------------------------------------------------------------

    def handshake_completed(self) -> None:
        pass

    def close_notify_sent(self) -> None:
        self.close_notifies_sent += 1

    def answers_blocked(self) -> None:
        self.answers_blocked_calls += 1

    def update_flow_control(self) -> None:
        self.flow_control_updates += 1

    def failed(self, error: BaseException) -> None:
        self.failures.append(error)

    def protocol_failed(self, error: BaseException) -> None:
        raise error

    def close_notify_arrived(self) -> None:
        self.close_notifies_received += 1

    def receive_from(self, other: "TLSEnd") -> None:
        sent, other.sent = other.sent, b""
        if sent:
            self.receiver.feed(sent)


def tls_ends_before_last_flight(core: types.ModuleType, tls: Certificates) -> tuple[TLSEnd, TLSEnd]:
    """Return a client that has completed the handshake, and a server that has not received the client's Finished."""
    client = TLSEnd(core, tls.client_context, server_hostname="localhost")
    server = TLSEnd(core, tls.server_context, server_side=True)
    client.receiver.begin_handshake()
    server.receive_from(client)
    client.receive_from(server)
    assert client.sender.handshake_complete
    return client, server


def connected_tls_ends(
    core: types.ModuleType, tls: Certificates, *, server_context: ssl.SSLContext | None = None
) -> tuple[TLSEnd, TLSEnd]:
    client = TLSEnd(core, tls.client_context, server_hostname="localhost")
    server = TLSEnd(core, server_context or tls.server_context, server_side=True)
    client.receiver.begin_handshake()
    for _ in range(3):
        server.receive_from(client)
        client.receive_from(server)
    assert client.sender.handshake_complete
    assert server.sender.handshake_complete
    return client, server
