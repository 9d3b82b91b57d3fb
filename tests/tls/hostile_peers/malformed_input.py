"""Malformed input for a TLS port, each sent by a function ``(peer, tls)`` on a new connection."""

import random
from collections.abc import Callable

from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer

SendMalformed = Callable[[RawPeer, Certificates], None]

RANDOM = random.Random(4).randbytes(1 << 16)


def first_flight(peer: RawPeer, tls: Certificates) -> bytes:
    return ManualTLS(peer, tls.client_context, server_hostname="localhost").first_flight()


def http(peer: RawPeer, tls: Certificates) -> None:
    peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def random_bytes(peer: RawPeer, tls: Certificates) -> None:
    peer.send(RANDOM)


def random_bytes_in_a_record(peer: RawPeer, tls: Certificates) -> None:
    peer.send(b"\x16\x03\x01\x40\x00" + RANDOM[:0x4000])


def record_too_long(peer: RawPeer, tls: Certificates) -> None:
    peer.send(b"\x16\x03\x01\xff\xff" + RANDOM)


def zeros(peer: RawPeer, tls: Certificates) -> None:
    peer.send(bytes(1 << 16))


def hello_twice(peer: RawPeer, tls: Certificates) -> None:
    peer.send(first_flight(peer, tls) * 2)


def hello_and_random_bytes(peer: RawPeer, tls: Certificates) -> None:
    peer.send(first_flight(peer, tls) + RANDOM)


def hello_with_huge_length(peer: RawPeer, tls: Certificates) -> None:
    hello = bytearray(first_flight(peer, tls))
    hello[6:9] = b"\xff\xff\xff"  # the length of the message: 16 MiB
    peer.send(bytes(hello))
    peer.send(b"".join(b"\x16\x03\x01\x40\x00" + RANDOM[:0x4000] for _ in range(8)))


def alert_first(peer: RawPeer, tls: Certificates) -> None:
    peer.send(b"\x15\x03\x01\x00\x02\x02\x28")


def data_first(peer: RawPeer, tls: Certificates) -> None:
    peer.send(b"\x17\x03\x03\x00\x10" + RANDOM[:16])


def empty_records(peer: RawPeer, tls: Certificates) -> None:
    peer.send(b"\x16\x03\x01\x00\x00" * 1000)


MALFORMED_INPUTS: list[SendMalformed] = [
    http, random_bytes, random_bytes_in_a_record, record_too_long, zeros, hello_twice, hello_and_random_bytes,
    hello_with_huge_length, alert_first, data_first, empty_records,
]  # fmt: skip
