"""What is written while OpenSSL has to hear from the peer first, as in a renegotiation of TLS 1.2: kept, in order."""

import types

import pytest

from support.certificates import Certificates
from support.tls_cores import shaken


@pytest.mark.parametrize("size", [10, 50_000])
def test_held_up_until_the_peer_is_heard(core: types.ModuleType, tls: Certificates, size: int) -> None:
    client, server = shaken(core, tls)
    client.sslobject.renegotiating = True
    client.sender.write(b"a" * size)
    client.sender.write(b"b" * size)
    assert client.sent == b""
    assert client.sender.pending_size() == 2 * size
    assert client.flow_control_updates == 2
    client.sslobject.renegotiating = False
    server.sender.write(b"go on")
    client.receive_from(server)
    assert client.received == b"go on"
    assert client.sender.pending_size() == 0
    assert client.flow_control_updates == 3
    server.receive_from(client)
    assert server.received == b"a" * size + b"b" * size


@pytest.mark.parametrize("written", [b"", b"last words"])
def test_the_goodbye_is_said_when_it_can_be(core: types.ModuleType, tls: Certificates, written: bytes) -> None:
    """Behind what was written; and nothing that comes meanwhile is told to anybody."""
    client, server = shaken(core, tls)
    client.sslobject.renegotiating = True
    client.sender.write(written)
    assert not client.sender.send_close_notify()
    client.sender.write(b"too late")
    assert client.sender.pending_size() == len(written)
    server.sender.write(b"go on")
    client.receive_from(server)
    assert (client.close_notifies_sent, client.sent, client.received) == (0, b"", b"")
    client.sslobject.renegotiating = False
    server.sender.write(b"go on")
    client.receive_from(server)
    assert client.close_notifies_sent == 1
    server.receive_from(client)
    assert (server.received, server.close_notifies_received) == (written, 1)
    server.sender.write(b"go on")
    client.receive_from(server)
    assert client.close_notifies_sent == 1


def test_an_interrupt_ends_the_connection(core: types.ModuleType, tls: Certificates) -> None:
    """The ssl module looks for signals when OpenSSL has taken the record already."""
    client, server = shaken(core, tls)

    def interrupt() -> None:
        raise KeyboardInterrupt

    client.sslobject.after_read = interrupt
    server.sender.write(b"lost")
    with pytest.raises(KeyboardInterrupt):
        client.receive_from(server)
    assert [type(error) for error in client.failures] == [ConnectionAbortedError]
    assert client.received == b""
