"""TLSSender keeps plaintext, in order, while OpenSSL must read from the peer first: renegotiation in TLS 1.2."""

import types

import pytest

from core.tls_cores import connected_tls_ends
from support.certificates import Certificates


@pytest.mark.parametrize("size", [10, 50_000])
def test_data_written_during_renegotiation_is_sent_after_it(
    core: types.ModuleType, tls: Certificates, size: int
) -> None:
    client, server = connected_tls_ends(core, tls)
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
def test_close_notify_during_renegotiation_is_sent_after_pending_data(
    core: types.ModuleType, tls: Certificates, written: bytes
) -> None:
    """Data received after send_close_notify() is not delivered."""
    client, server = connected_tls_ends(core, tls)
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


def test_interrupt_during_decryption_aborts_the_connection(core: types.ModuleType, tls: Certificates) -> None:
    """The ssl module checks for signals after OpenSSL has consumed the record, which is lost then."""
    client, server = connected_tls_ends(core, tls)

    def interrupt() -> None:
        raise KeyboardInterrupt

    client.sslobject.after_read = interrupt
    server.sender.write(b"lost")
    with pytest.raises(KeyboardInterrupt):
        client.receive_from(server)
    assert [type(error) for error in client.failures] == [ConnectionAbortedError]
    assert client.received == b""
