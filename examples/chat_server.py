"""A chat server: each line goes to all other members.

Run it, and connect with netcat in two terminals:

    python chat_server.py 127.0.0.1 7000
    nc 127.0.0.1 7000

A line longer than 1000 bytes is dropped. A member that sends nothing for ten minutes, or does not read what the others
write, is disconnected, and does not delay the others.
"""

import argparse
import asyncio
import itertools

import sluiceway

LONGEST_LINE = 1000
IDLE_SECONDS = 600
# The most bytes that wait for a member that reads slowly.
BACKLOG = 1 << 20


class Room:
    """The members."""

    def __init__(self) -> None:
        self.members: set[sluiceway.Stream] = set()
        self.numbers = itertools.count(1)

    async def chat(self, stream: sluiceway.Stream) -> None:
        """Run one member, from its connection to its end."""
        name = b"guest %d" % next(self.numbers)
        self.members.add(stream)
        self.send_to_all(b"%s joined\n" % name, but=stream)
        try:
            async for line in stream.lines(max_length=LONGEST_LINE, overlong="skip", timeout=IDLE_SECONDS):
                self.send_to_all(b"%s: %s\n" % (name, line.rstrip()), but=stream)
        except OSError:
            pass  # the connection was lost, or the member was silent for too long
        finally:
            self.members.remove(stream)
            self.send_to_all(b"%s left\n" % name, but=stream)

    def send_to_all(self, message: bytes, but: sluiceway.Stream) -> None:
        """Send a message to all members except one. Nothing waits here, so a slow member does not delay the others."""
        for stream in self.members - {but}:
            if stream.stats.unsent_bytes > BACKLOG:
                stream.abort()
            elif not stream.is_closing():
                stream.writer.write(message)


async def main() -> None:
    parser = argparse.ArgumentParser(description="A chat server.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    handler = sluiceway.stream_handler(Room().chat)
    async with await sluiceway.start_server(handler, arguments.host, arguments.port) as server:
        print("listening on {}:{}".format(*server.sockets[0].getsockname()), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
