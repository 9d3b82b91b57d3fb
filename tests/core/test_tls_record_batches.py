"""T6: TLSReceiver bounds the number and size of its OpenSSL calls: the peer chooses the size of its records."""

import inspect
import ssl
import types
from typing import Any

import pytest

from core.receivers import LIMIT, stream_protocol
from core.tls_cores import TLSEnd, connected_tls_ends, tls_ends_before_last_flight
from support.certificates import Certificates

KIB = 1024


class CountedSSLObject(ssl.SSLObject):
    handshakes = 0
    reads = 0

    def do_handshake(self) -> None:
        self.handshakes += 1
        super().do_handshake()

    def read(self, *args: Any) -> Any:
        self.reads += 1
        return super().read(*args)


def counted(context: ssl.SSLContext) -> ssl.SSLContext:
    context.sslobject_class = CountedSSLObject
    return context


def in_one_byte_records(flight: bytes) -> bytes:
    """Cut the handshake records of ``flight``, which are not encrypted, into records of one byte."""
    records = b""
    while flight:
        end = 5 + int.from_bytes(flight[3:5], "big")
        records += b"".join(b"\x16\x03\x01\x00\x01" + flight[at : at + 1] for at in range(5, end))
        flight = flight[end:]
    return records


def hello(core: types.ModuleType, tls: Certificates, protocols: int = 0) -> tuple[TLSEnd, bytes]:
    """Return a client and its ClientHello in one-byte records."""
    context = tls.new_client_context()
    if protocols:
        context.set_alpn_protocols([f"x{number:0250}" for number in range(protocols)])
    client = TLSEnd(core, context, server_hostname="localhost")
    client.receiver.begin_handshake()
    flight, client.sent = client.sent, b""
    return client, in_one_byte_records(flight)


def one_byte_records(sender: TLSEnd, data: bytes) -> bytes:
    for at in range(len(data)):
        sender.sender.write(data[at : at + 1])
    records, sender.sent = sender.sent, b""
    return records


def test_fragmented_client_hello_costs_one_call_for_each_arrival(core: types.ModuleType, tls: Certificates) -> None:
    client, records = hello(core, tls)
    server = TLSEnd(core, counted(tls.new_server_context()), server_side=True)
    half = len(records) // 2
    server.receiver.feed(records[:half])
    server.receiver.feed(records[half:])
    assert server.sslobject.handshakes == 2
    client.receive_from(server)
    server.receive_from(client)
    assert (server.sender.handshake_complete, server.failures) == (True, [])


def test_long_fragmented_client_hello_costs_one_call_for_each_16_kib(core: types.ModuleType, tls: Certificates) -> None:
    client, records = hello(core, tls, protocols=40)
    server = TLSEnd(core, counted(tls.new_server_context()), server_side=True)
    server.receiver.feed(records)
    assert len(records) > 60_000
    assert server.sslobject.handshakes == -(-len(records) // (16 * KIB))
    assert max(server.incoming.writes) <= 16 * KIB
    client.receive_from(server)
    server.receive_from(client)
    assert (server.sender.handshake_complete, server.failures) == (True, [])


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 6, 20])
def test_data_received_with_the_end_of_the_handshake_is_delivered(
    core: types.ModuleType, tls: Certificates, cut: int
) -> None:
    """Both are in one arrival, except for the last ``cut`` bytes."""
    client, server = tls_ends_before_last_flight(core, tls)
    client.sender.write(b"first ")
    client.sender.write(b"x" * 20_000)
    client.sender.write(b" last")
    sent = client.sent
    server.receiver.feed(sent[: len(sent) - cut])
    server.receiver.feed(sent[len(sent) - cut :]) if cut else None
    assert (server.received, server.failures) == (b"first " + b"x" * 20_000 + b" last", [])


def test_one_byte_records_cost_one_read_each_and_no_other_call(core: types.ModuleType, tls: Certificates) -> None:
    client, server = connected_tls_ends(core, tls, server_context=counted(tls.new_server_context()))
    data = bytes(range(256)) * 4
    records = one_byte_records(client, data)
    reads, server.incoming.writes = server.sslobject.reads, []
    server.receiver.feed(records)
    assert server.received == data
    assert server.sslobject.reads - reads == len(data)
    assert len(server.incoming.writes) <= len(records) // (4 * KIB) + 2
    assert max(server.incoming.writes) <= 4 * KIB


def test_plaintext_of_short_records_is_fed_once_for_each_batch(
    core: types.ModuleType, tls: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the pure core, feed() takes longer than OpenSSL for a record of one byte."""
    if not inspect.isfunction(core.Receiver.feed):
        pytest.skip("a method of a compiled class cannot be replaced")
    client, server = connected_tls_ends(core, tls)
    data = bytes(range(256)) * 4
    records = one_byte_records(client, data)
    fed: list[bytes] = []
    reader = core.ReadOperations(LIMIT, None, False)
    monkeypatch.setattr(core.Receiver, "feed", lambda self, piece: fed.append(piece))
    server.receiver.set_protocol(stream_protocol(core, reader._sluiceway))
    server.receiver.feed(records)
    assert b"".join(fed) == data
    assert len(fed) <= len(records) // (4 * KIB) + 2


def test_long_records_are_given_to_openssl_one_at_a_time(core: types.ModuleType, tls: Certificates) -> None:
    """A BIO keeps the memory of the largest content that it had."""
    client, server = connected_tls_ends(core, tls)
    data = bytes(range(256)) * 256
    client.sender.write(data)
    server.incoming.writes = []
    server.receive_from(client)
    assert server.received == data
    assert len(server.incoming.writes) == 4
    assert max(server.incoming.writes) < 17 * KIB


@pytest.mark.parametrize("arrival", [1, 3, 5, 22, 23, 600, 5000, 1 << 20])
def test_records_of_all_sizes_arrive_in_pieces_of_any_size(
    core: types.ModuleType, tls: Certificates, arrival: int
) -> None:
    client, server = connected_tls_ends(core, tls)
    data = b""
    for number, size in enumerate([1, 1, 4000, 40, 16384, 7, 5000, 300, 4091, 2, 4096, 90, 1]):
        piece = bytes([number]) * size
        client.sender.write(piece)
        data += piece
    sent = client.sent
    for at in range(0, len(sent), arrival):
        server.receiver.feed(sent[at : at + arrival])
    assert (server.received, server.failures) == (data, [])


def test_close_notify_among_short_records_ends_the_input(core: types.ModuleType, tls: Certificates) -> None:
    client, server = connected_tls_ends(core, tls)
    records = one_byte_records(client, b"data")
    assert client.sender.send_close_notify()
    server.receiver.feed(records + client.sent + bytes(100))
    assert (server.received, server.close_notifies_received, server.failures) == (b"data", 1, [])


def test_data_before_a_damaged_record_is_delivered(core: types.ModuleType, tls: Certificates) -> None:
    client, server = connected_tls_ends(core, tls)
    records = one_byte_records(client, b"data!")
    server.receiver.feed(records[:-1] + bytes([records[-1] ^ 1]))
    assert server.received == b"data"
    [error] = server.failures
    assert isinstance(error, ssl.SSLError)
