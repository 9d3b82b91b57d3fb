"""One connection of the driver, with or without TLS. The driver controls each step."""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
import time
from typing import Final

from benchmarks.cost.echo_server import BUFFER_SIZE
from benchmarks.cost.lockstep import FailedError

# Seconds. Data that the server wrote before it stopped at the gate has arrived, or is in the kernel's queues.
ANSWER_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.0005
PIECE_SIZE: Final = 1 << 18


class Client:
    """A blocking socket. Every call returns or raises FailedError."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        # Before connect(), because the offered window depends on it.
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER_SIZE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(ANSWER_SECONDS)
        self._socket.connect(("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise FailedError(
                f"the server's socket does not accept {len(data)} bytes; raise net.core.rmem_max"
            ) from None

    def wait_delivered(self) -> None:
        """Wait until the peer's kernel has acknowledged all data."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while struct.unpack("i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)))[0]:
            if time.monotonic() > deadline:
                raise FailedError("the server's socket does not accept a whole request; raise net.core.rmem_max")
            time.sleep(POLL_SECONDS)

    def receive(self, size: int) -> bytes:
        """Return exactly ``size`` bytes."""
        data = bytearray()
        while len(data) < size:
            data += self._piece(size - len(data), f"the response ended after {len(data)} of {size} bytes")
        return bytes(data)

    def expect_end(self) -> None:
        try:
            rest = self._socket.recv(1)
        except TimeoutError:
            raise FailedError("the server did not close the connection") from None
        if rest:
            raise FailedError("the server sent more than the response")

    def close(self) -> None:
        self._socket.close()

    def _piece(self, size: int, at_end: str) -> bytes:
        try:
            piece = self._socket.recv(size)
        except TimeoutError:
            raise FailedError("the server waits although responses are missing") from None
        if not piece:
            raise FailedError(at_end)
        return piece


class SecureClient(Client):
    """A connection with TLS, whose handshake advances by one flight at a time."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(port)
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname="localhost")

    def handshake(self) -> bool:
        """Advance by one flight. Returns True if the handshake is complete."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            complete = False
        else:
            complete = True
        super().send(self._to_send.read())
        return complete

    def take_flight(self) -> None:
        """Receive the data that the server has sent."""
        self._received.write(self._piece(PIECE_SIZE, "the server closed the connection during the handshake"))

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        super().send(self._to_send.read())

    def receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                data += self._tls.read(size - len(data))
            except ssl.SSLWantReadError:
                self._received.write(self._piece(PIECE_SIZE, f"the response ended after {len(data)} of {size} bytes"))
        return bytes(data)

    def expect_end(self) -> None:
        """Receive the peer's close_notify, and answer it."""
        while True:
            try:
                rest = self._tls.read(1)
            except ssl.SSLWantReadError:
                self._received.write(self._piece(PIECE_SIZE, "the server closed the connection without close_notify"))
            else:
                break
        if rest:
            raise FailedError("the server sent more than the response")
        self._tls.unwrap()
        super().send(self._to_send.read())
