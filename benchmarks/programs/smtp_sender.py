"""Send mails over several simultaneous connections, MAILS_EACH over each, and check every response.

The program prints one JSON line: the number of accepted mails, or the error.
"""

import argparse
import json
import random
import socket
import threading
import time
import zlib

MAILS_EACH = 10
PATIENCE = 20


def body_of(generator: random.Random, size: int) -> bytes:
    """Return at least ``size`` bytes of lines with SMTP line ends. Some lines start with a dot."""
    lines = [b"From: a@example.org", b"To: b@example.org", b"Subject: a test", b""]
    while sum(len(line) + 2 for line in lines) < size:
        lines.append(b"." * generator.randrange(2) + bytes(generator.choices(range(97, 123), k=70)))
    return b"".join(line + b"\r\n" for line in lines)


def stuffed(body: bytes) -> bytes:
    """Return the mail as it is sent: with a dot before each line that starts with a dot, and the end mark."""
    return b"".join(b"." * line.startswith(b".") + line for line in body.splitlines(keepends=True)) + b".\r\n"


class Conversation:
    """One connection. Each command is sent after the response to the previous one."""

    def __init__(self, port: int) -> None:
        self.wire = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def answer(self) -> bytes:
        """Return the last line of a response."""
        while True:
            line, end, rest = self.received.partition(b"\r\n")
            if not end:
                data = self.wire.recv(4096)
                if not data:
                    raise ConnectionError("the server closed")
                self.received += data
                continue
            self.received = rest
            if line[3:4] != b"-":
                return line

    def ask(self, command: bytes, code: bytes) -> bytes:
        self.wire.sendall(command)
        answer = self.answer()
        if not answer.startswith(code):
            raise ValueError(f"wrong response {answer!r} to {command[:30]!r}")
        return answer

    def send(self, wire_form: bytes, checksum: int) -> None:
        self.ask(b"MAIL FROM:<a@example.org>\r\n", b"250")
        self.ask(b"RCPT TO:<b@example.org>\r\n", b"250")
        self.ask(b"DATA\r\n", b"354")
        answer = self.ask(wire_form, b"250 ")
        if answer != b"250 %d" % checksum:
            raise ValueError(f"the server received other bytes than were sent: {answer!r}")


def deliver(port: int, count: int, body: bytes, taken: list[int]) -> None:
    """Send ``count`` mails one after the other, and count the accepted ones."""
    wire_form, checksum = stuffed(body), zlib.crc32(body)
    while count > 0:
        one = Conversation(port)
        with one.wire:
            if not one.answer().startswith(b"220"):
                raise ValueError("the server sent no greeting")
            one.ask(b"EHLO localhost\r\n", b"250")
            for _ in range(min(count, MAILS_EACH)):
                one.send(wire_form, checksum)
                taken.append(1)
            one.ask(b"QUIT\r\n", b"221")
            if one.wire.recv(1):
                raise ValueError("the server sent data after its last response")
        count -= MAILS_EACH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mails", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    body = body_of(random.Random(arguments.seed), arguments.size)
    taken: list[int] = []
    errors: list[str] = []

    def work(count: int) -> None:
        try:
            deliver(arguments.port, count, body, taken)
        except (OSError, ValueError) as error:
            errors.append(repr(error))

    each, more = divmod(arguments.mails, arguments.connections)
    threads = [threading.Thread(target=work, args=(each + (number < more),)) for number in range(arguments.connections)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    found = {"mails": len(taken), "bytes": len(taken) * len(body), "seconds": took}
    print(json.dumps({"error": errors[0]} if errors else found), flush=True)


if __name__ == "__main__":
    main()
