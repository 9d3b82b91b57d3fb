"""A key-value server that speaks the protocol of Redis: PING, SET, GET, DEL and KEYS.

Run it, and talk to it with redis-cli, or with netcat, which sends each command as a line:

    python key_value_server.py 127.0.0.1 7001
    redis-cli -p 7001 set greeting "hello, world"
    redis-cli -p 7001 get greeting
"""

import argparse
import asyncio

import sluiceway

LARGEST_VALUE = 1 << 20
MOST_ARGUMENTS = 1000


class ProtocolError(Exception):
    """The client has sent something that is not a command."""


class Store:
    """The keys and values, and the commands."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    async def serve(self, stream: sluiceway.Stream) -> None:
        """Answer the commands of one client until it leaves."""
        try:
            while command := await read_command(stream):
                await stream.send(self.answer(command[0].upper(), command[1:]))
        except ProtocolError as error:
            await stream.send(b"-ERR Protocol error: %s\r\n" % str(error).encode())
        except (sluiceway.IncompleteReadError, OSError):
            pass  # the client has left in the middle of a command, or its connection was lost

    def answer(self, name: bytes, arguments: list[bytes]) -> bytes:
        """Return the answer to one command."""
        match name, arguments:
            case b"PING", []:
                return b"+PONG\r\n"
            case b"SET", [key, value]:
                self.values[key] = value
                return b"+OK\r\n"
            case b"GET", [key]:
                return bulk(self.values.get(key))
            case b"DEL", [_, *_]:
                removed = [key for key in arguments if self.values.pop(key, None) is not None]
                return b":%d\r\n" % len(removed)
            case b"KEYS", [b"*"]:
                return b"*%d\r\n" % len(self.values) + b"".join(map(bulk, sorted(self.values)))
            case b"COMMAND", _:
                return b"*0\r\n"  # redis-cli asks for the list of commands
        return b"-ERR unknown command or wrong number of arguments: %s\r\n" % name


def bulk(value: bytes | None) -> bytes:
    """Return a value as the protocol sends it."""
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


async def read_command(stream: sluiceway.Stream) -> list[bytes]:
    """Return the words of the next command; an empty list when the client has left."""
    while line := await read_line(stream):
        words = await read_words(stream, line) if line.startswith(b"*") else line.split()
        if words:  # an empty line is no command
            return words
    return []


async def read_words(stream: sluiceway.Stream, line: bytes) -> list[bytes]:
    """Return the words that follow a line with their number."""
    words = []
    for _ in range(number(line[1:], MOST_ARGUMENTS)):
        header = await read_line(stream)
        if not header.startswith(b"$"):
            raise ProtocolError(f"expected '$', got {header[:1]!r}")
        word = await stream.read_exactly(number(header[1:], LARGEST_VALUE) + 2)
        words.append(word[:-2])
    return words


async def read_line(stream: sluiceway.Stream) -> bytes:
    try:
        return await stream.read_line()
    except sluiceway.LimitOverrunError:
        raise ProtocolError("too big inline request") from None


def number(text: bytes, most: int) -> int:
    text = text.strip()
    if not text.isdigit() or len(text) > 9 or int(text) > most:
        raise ProtocolError(f"invalid length {text[:20]!r}")
    return int(text)


async def main() -> None:
    parser = argparse.ArgumentParser(description="A key-value server for redis-cli.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    handler = sluiceway.stream_handler(Store().serve)
    async with await sluiceway.start_server(handler, arguments.host, arguments.port) as server:
        print("listening on {}:{}".format(*server.sockets[0].getsockname()), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
