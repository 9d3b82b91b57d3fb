"""Opens connections and has a line answered on each: one, says so, waits for a line on its input, then all the others.

It prints how many there are and keeps them open until its input ends. With ``--burst`` it waits for another line, has
so many bytes answered on each of them, all at the same time, and prints how many there are once more.
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
    """As many connections as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def context_of(authority: str) -> ssl.SSLContext:
    """TLS 1.3 with servers whose certificates this file's authority has signed."""
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def opened(port: int, context: ssl.SSLContext | None) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), PATIENCE)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the line follows the end of the handshake
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
        raise ValueError("an answer is wrong")
    return wire


class Burst:
    """What has been sent and received of one connection's lines."""

    def __init__(self, wire: socket.socket, lines: memoryview) -> None:
        self.wire = wire
        self.lines = lines
        self.sent = self.received = 0

    @property
    def is_answered(self) -> bool:
        return self.received == len(self.lines)

    def send(self) -> bool:
        """Whether anything was sent."""
        try:
            count = self.wire.send(self.lines[self.sent : self.sent + PIECE]) if self.sent < len(self.lines) else 0
        except NOT_YET:
            return False
        self.sent += count
        return count > 0

    def receive(self) -> bool:
        """Whether anything was received, and more is to come."""
        try:
            data = self.wire.recv(PIECE)
        except NOT_YET:
            return False
        if not data:
            raise ConnectionError("the server closed")
        if data != self.lines[self.received : self.received + len(data)]:
            raise ValueError("an answer is wrong")
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
                raise TimeoutError("an answer did not come")
            for key, _ in ready:
                one: Burst = key.data
                # All that TLS holds is taken: the selector knows nothing of it.
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
    parser.add_argument(
        "--authority", help="the file of the one that signed the server's certificate, where it has TLS"
    )
    parser.add_argument("--burst", type=int, default=0, help="bytes, a multiple of a line's 256")
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
