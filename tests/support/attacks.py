"""What is sent to a TLS port on purpose, each by ``attack(wire, tls)`` on a connection that has said nothing yet."""

import random
from collections.abc import Callable

from support.certificates import Certificates
from support.peer import Wire
from support.tls_by_hand import TLSEnd

Attack = Callable[[Wire, Certificates], None]

RANDOM = random.Random(4).randbytes(1 << 16)


def first_flight(wire: Wire, tls: Certificates) -> bytes:
    return TLSEnd(wire, tls.client_context, server_hostname="localhost").first_flight()


def http(wire: Wire, tls: Certificates) -> None:
    wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def garbage(wire: Wire, tls: Certificates) -> None:
    wire.send(RANDOM)


def garbage_that_looks_like_a_record(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x16\x03\x01\x40\x00" + RANDOM[:0x4000])


def record_too_long(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x16\x03\x01\xff\xff" + RANDOM)


def zeros(wire: Wire, tls: Certificates) -> None:
    wire.send(bytes(1 << 16))


def hello_twice(wire: Wire, tls: Certificates) -> None:
    wire.send(first_flight(wire, tls) * 2)


def hello_and_garbage(wire: Wire, tls: Certificates) -> None:
    wire.send(first_flight(wire, tls) + RANDOM)


def changed_hello(wire: Wire, tls: Certificates) -> None:
    hello = bytearray(first_flight(wire, tls))
    hello[6:9] = b"\xff\xff\xff"  # the length of the message: 16 MiB are to come
    wire.send(bytes(hello))
    wire.send(b"".join(b"\x16\x03\x01\x40\x00" + RANDOM[:0x4000] for _ in range(8)))


def alert_first(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x15\x03\x01\x00\x02\x02\x28")


def data_first(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x17\x03\x03\x00\x10" + RANDOM[:16])


def empty_records(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x16\x03\x01\x00\x00" * 1000)


HOSTILE: list[Attack] = [
    http, garbage, garbage_that_looks_like_a_record, record_too_long, zeros, hello_twice, hello_and_garbage,
    changed_hello, alert_first, data_first, empty_records,
]  # fmt: skip
