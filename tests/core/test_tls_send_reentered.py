"""TLSSender: calls by a signal handler or a finalizer before the records of another call are with the transport.

A record that overtakes another one ends the connection: the peer decrypts records in the order of their numbers.
"""

import types

import pytest

from core.test_tls_send_while_transport_paused import LARGE, nth
from core.tls_cores import TLSEnd, connected_tls_ends
from support.certificates import Certificates

DATA = [pytest.param(b"short", id="one record"), pytest.param(LARGE[:100_000], id="several records")]


@pytest.mark.parametrize("data", DATA)
def test_write_while_records_are_being_sent_follows_them(
    core: types.ModuleType, tls: Certificates, data: bytes
) -> None:
    client, server = connected_tls_ends(core, tls)
    client.before_write = nth(1, lambda: client.sender.write(b"later"))
    client.sender.write(data)
    assert client.sender.pending_size() == 0
    server.receive_from(client)
    assert (server.received == data + b"later", server.failures) == (True, [])


@pytest.mark.parametrize("data", DATA)
def test_close_while_records_are_being_sent_follows_them(
    core: types.ModuleType, tls: Certificates, data: bytes
) -> None:
    client, server = connected_tls_ends(core, tls)
    client.before_write = nth(1, client.sender.send_close_notify)
    client.sender.write(data)
    assert (client.sender.pending_size(), client.close_notifies_sent) == (0, 1)
    server.receive_from(client)
    assert (server.received == data, server.close_notifies_received, server.failures) == (True, 1, [])


def test_write_while_openssl_output_is_being_sent_follows_it(core: types.ModuleType, tls: Certificates) -> None:
    """The output is the server's session tickets, which it sends when the handshake is complete."""
    client = TLSEnd(core, tls.client_context, server_hostname="localhost")
    server = TLSEnd(core, tls.server_context, server_side=True)
    client.receiver.begin_handshake()
    server.receive_from(client)
    client.receive_from(server)
    tickets: list[bool] = []

    def write() -> None:
        tickets.append(server.sender.handshake_complete)
        server.sender.write(b"later")

    server.before_write = nth(1, write)
    server.receive_from(client)
    assert tickets == [True]
    client.receive_from(server)
    assert (client.received, client.failures, server.sender.pending_size()) == (b"later", [], 0)
