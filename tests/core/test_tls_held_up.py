"""What is written while OpenSSL has to hear from the peer first, as in a renegotiation of TLS 1.2: kept, in order."""

import types

import pytest

from support.certificates import Certificates
from support.tls_cores import shaken


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
