"""What is written while OpenSSL has to hear from the peer first, as in a renegotiation of TLS 1.2: kept, in order."""

import ssl
import types
from typing import Any

import pytest

from support.certificates import Certificates
from support.hesitant import Hesitant


class End:
    """Owner and carrier of one end: what it sends waits in ``sent``, what it is given stands in ``received``."""

    def __init__(self, core: types.ModuleType, context: ssl.SSLContext, **options: Any) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.sslobject = Hesitant(context.wrap_bio(incoming, outgoing, **options))
        self.sent = self.received = b""
        self.goodbyes = self.farewells = self.paced = 0
        self.failures: list[BaseException] = []
        self.tls = core.TLSCore(self.sslobject, incoming, outgoing, self)
        self.tls.set_carrier(self)

    def write(self, data: bytes) -> None:
        self.sent += data

    def deliver(self, data: bytes) -> None:
        self.received += data

    def handshake_done(self) -> None:
        pass

    def goodbye_said(self) -> None:
        self.goodbyes += 1

    def pace(self) -> None:
        self.paced += 1

    def failed(self, error: BaseException) -> None:
        self.failures.append(error)

    def peer_ended(self) -> None:
        self.farewells += 1

    def take_from(self, other: "End") -> None:
        sent, other.sent = other.sent, b""
        if sent:
            self.tls.take(sent)


def shaken(core: types.ModuleType, tls: Certificates) -> tuple[End, End]:
    client = End(core, tls.client_context, server_hostname="localhost")
    server = End(core, tls.server_context, server_side=True)
    client.tls.begin()
    for _ in range(3):
        server.take_from(client)
        client.take_from(server)
    assert client.tls.open
    assert server.tls.open
    return client, server


@pytest.mark.parametrize("size", [10, 50_000])
def test_held_up_until_the_peer_is_heard(core: types.ModuleType, tls: Certificates, size: int) -> None:
    client, server = shaken(core, tls)
    client.sslobject.hesitates = True
    client.tls.write(b"a" * size)
    client.tls.write(b"b" * size)
    assert client.sent == b""
    assert client.tls.held_up() == 2 * size
    assert client.paced == 2
    client.sslobject.hesitates = False
    server.tls.write(b"go on")
    client.take_from(server)
    assert client.received == b"go on"
    assert client.tls.held_up() == 0
    assert client.paced == 3
    server.take_from(client)
    assert server.received == b"a" * size + b"b" * size


@pytest.mark.parametrize("written", [b"", b"last words"])
def test_the_goodbye_is_said_when_it_can_be(core: types.ModuleType, tls: Certificates, written: bytes) -> None:
    """Behind what was written; and nothing that comes meanwhile is told to anybody."""
    client, server = shaken(core, tls)
    client.sslobject.hesitates = True
    client.tls.write(written)
    assert not client.tls.say_goodbye()
    client.tls.write(b"too late")
    assert client.tls.held_up() == len(written)
    server.tls.write(b"go on")
    client.take_from(server)
    assert (client.goodbyes, client.sent, client.received) == (0, b"", b"")
    client.sslobject.hesitates = False
    server.tls.write(b"go on")
    client.take_from(server)
    assert client.goodbyes == 1
    server.take_from(client)
    assert (server.received, server.farewells) == (written, 1)
    server.tls.write(b"go on")
    client.take_from(server)
    assert client.goodbyes == 1


def test_an_interrupt_ends_the_connection(core: types.ModuleType, tls: Certificates) -> None:
    """The ssl module looks for signals when OpenSSL has taken the record already."""
    client, server = shaken(core, tls)

    def interrupt() -> None:
        raise KeyboardInterrupt

    client.sslobject.after_read = interrupt
    server.tls.write(b"lost")
    with pytest.raises(KeyboardInterrupt):
        client.take_from(server)
    assert [type(error) for error in client.failures] == [ConnectionAbortedError]
    assert client.received == b""
