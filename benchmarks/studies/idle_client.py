"""Open one connection, wait for a line on standard input, then open all others. Each connection echoes one line.

The program prints the number of connections after each step, and keeps them open until its input ends. With
``--burst``, it waits for another line, echoes this number of bytes on all connections at the same time, and prints the
number again.
"""

import argparse
import resource
import selectors
import socket
import ssl
import sys

PATIENCE = 20
LINE = b"x" * 255 + b"\n"
PIECE = 1 << 16
NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def unlimited() -> None:
    """Raise the limit on open files of this process to its maximum."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def context_of(authority: str) -> ssl.SSLContext:
    """Return a context for TLS 1.3 that trusts the authority in this file."""
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def opened(port: int, context: ssl.SSLContext | None) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), PATIENCE)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the line is sent after the handshake
    if context is not None:
        wire = context.wrap_socket(wire, server_hostname="localhost")
    wire.sendall(LINE)
    answer = b""
    while len(answer) < len(LINE):
        data = wire.recv(len(LINE) - len(answer))
        if not data:
            raise ConnectionError("the server closed")
        answer += data
    if answer != LINE:
        raise ValueError("wrong response")
    return wire


class Burst:
    """The progress of the lines of one connection."""

    def __init__(self, wire: socket.socket, lines: memoryview) -> None:
        self.wire = wire
        self.lines = lines
        self.sent = self.received = 0

    @property
    def is_answered(self) -> bool:
        return self.received == len(self.lines)

    def send(self) -> bool:
        """Send data. Returns True if anything was sent."""
        try:
            count = self.wire.send(self.lines[self.sent : self.sent + PIECE]) if self.sent < len(self.lines) else 0
        except NOT_YET:
            return False
        self.sent += count
        return count > 0

    def receive(self) -> bool:
        """Receive data. Returns True if anything was received and more is expected."""
        try:
            data = self.wire.recv(PIECE)
        except NOT_YET:
            return False
        if not data:
            raise ConnectionError("the server closed")
        if data != self.lines[self.received : self.received + len(data)]:
            raise ValueError("wrong response")
        self.received += len(data)
        return not self.is_answered


def have_answered(wires: list[socket.socket], size: int) -> None:
    lines = memoryview(LINE * (size // len(LINE)))
    with selectors.DefaultSelector() as selector:
        for wire in wires:
            wire.setblocking(False)
            selector.register(wire, selectors.EVENT_READ | selectors.EVENT_WRITE, Burst(wire, lines))
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                raise TimeoutError("missing response")
            for key, _ in ready:
                one: Burst = key.data
                # Reads all data that TLS has buffered, which the selector does not report.
                while one.send() | one.receive():
                    pass
                if one.is_answered:
                    selector.unregister(key.fileobj)
                elif one.sent == len(lines):
                    selector.modify(key.fileobj, selectors.EVENT_READ, one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--authority", help="the certificate of the authority, for a server with TLS")
    parser.add_argument("--burst", type=int, default=0, help="bytes, a multiple of 256")
    arguments = parser.parse_args()
    unlimited()
    context = None if arguments.authority is None else context_of(arguments.authority)
    kept = [opened(arguments.port, context)]
    print(len(kept), flush=True)
    sys.stdin.readline()
    kept += [opened(arguments.port, context) for _ in range(arguments.connections)]
    print(len(kept), flush=True)
    if arguments.burst:
        sys.stdin.readline()
        have_answered(kept[1:], arguments.burst)
        print(len(kept), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
