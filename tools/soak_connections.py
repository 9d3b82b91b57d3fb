"""The connections of the soak: both ends of each, how they talk and how they end.

The client chooses a plan and tells it in its first line. Where both ends part in peace, all that was sent must have
arrived; where one of them is torn away, what did arrive must still be right.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import sluiceway
from soak_traffic import Disturber, Stream, WrongBytesError, receive, send

# Seconds that one connection may take, under any load that a soak is run with; it ends by itself in far less.
PATIENCE = 60.0

TOTALS = (0, 10, 3000, 60_000, 300_000, 1_500_000)
LIMITS = (500, 5000, 65_536)

# A path; or host and port, and over TLS a context behind them.
Address = tuple[Any, ...] | str


def flat(error: BaseException) -> list[BaseException]:
    """The errors in a group, and in groups within it."""
    if isinstance(error, BaseExceptionGroup):
        return [one for inner in error.exceptions for one in flat(inner)]
    return [error]


class Books:
    """What the two ends of each connection know of it, and what went wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.served: dict[int, asyncio.Future[int]] = {}

    def failed(self, what: str) -> None:
        self.counts["failures"] += 1
        if len(self.failures) < 20:
            self.failures.append(what)


async def connect(address: Address, limit: int) -> tuple[Any, Any]:
    if isinstance(address, str):
        return await sluiceway.open_unix_connection(address, limit=limit)
    host, port, *context = address
    encrypted = {"ssl": context[0], "server_hostname": "localhost"} if context else {}
    return await sluiceway.open_connection(host, port, limit=limit, **encrypted)


class Visit:
    """One connection, seen from its client."""

    def __init__(self, number: int, address: Address, seed: int, books: Books) -> None:
        self.number = number
        self.address = address
        self.chance = random.Random(seed * 1_000_003 + number)
        self.books = books
        self.disturber = Disturber(self.chance, books.counts)
        kinds: list[tuple[str, Callable[[Any, Any], Coroutine[Any, Any, None]]]] = [
            ("duplex", self.duplex),
            ("duplex", self.duplex),
            ("upload", self.upload),
            ("download", self.download),
            ("lines", self.lines),
            ("torn", self.torn),
        ]
        if isinstance(address, tuple) and len(address) == 3:
            kinds = [one for one in kinds if one[0] != "duplex"]
            books.counts["over TLS"] += 1
        self.kind, self.talk = self.chance.choice(kinds)
        self.total = self.chance.choice(TOTALS)
        self.plan = {
            "number": number,
            "kind": self.kind,
            "total": self.total,
            "torn by": self.chance.choice(("client", "server")),
        }

    async def make(self) -> None:
        """Connect, talk, part, check; what goes wrong is written down and never raised."""
        done = asyncio.get_running_loop().create_future()
        self.books.served[self.number] = done
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await connect(self.address, self.chance.choice(LIMITS))
                try:
                    writer.write(json.dumps(self.plan).encode() + b"\n")
                    await self.talk(reader, writer)
                finally:
                    writer.close()
                    await self.parted(writer)
                received = await done
            if self.kind == "duplex" and received != self.total:
                raise WrongBytesError(f"the server received {received} of {self.total} bytes")
            if self.kind == "upload" and received != self.total:
                raise WrongBytesError(f"the server received {received} of {self.total} bytes written before close()")
        except Exception as error:  # noqa: BLE001 - whatever it is, the soak goes on and tells it at its end
            self.books.failed(f"{self.plan}: on the client: {flat(error)!r}")
        finally:
            self.books.served.pop(self.number, None)
        self.books.counts[self.kind] += 1

    async def parted(self, writer: Any) -> None:
        if self.kind == "torn":
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        else:
            await self.disturber.disturbed(writer.wait_closed)
            await writer.wait_closed()

    async def duplex(self, reader: Any, writer: Any) -> None:
        incoming = Stream(2 * self.number + 1)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_and_end(writer))
            group.create_task(receive(reader, incoming, self.disturber))
        if incoming.position != self.total:
            raise WrongBytesError(f"the client received {incoming.position} of {self.total} bytes")

    async def _send_and_end(self, writer: Any) -> None:
        await send(writer, Stream(2 * self.number), self.total, self.disturber)
        # TLS ends both directions at once, so there only closing does.
        if writer.can_write_eof():
            writer.write_eof()

    async def upload(self, reader: Any, writer: Any) -> None:
        """Close in the middle of what waits to be sent: all of it arrives."""
        await send(writer, Stream(2 * self.number), self.total, self.disturber)

    async def download(self, reader: Any, writer: Any) -> None:
        incoming = Stream(2 * self.number + 1)
        await receive(reader, incoming, self.disturber)
        if incoming.position != self.total:
            raise WrongBytesError(f"the client received {incoming.position} of {self.total} bytes before the close()")

    async def lines(self, reader: Any, writer: Any) -> None:
        stream = Stream(2 * self.number)
        for _ in range(self.chance.randrange(1, 60)):
            sent = [
                stream.next(self.chance.randrange(200)).hex().encode() + b"\n"
                for _ in range(self.chance.choice((1, 1, 20)))
            ]
            for line in sent:
                writer.write(line)
            for line in sent:
                answer = None
                while answer is None:
                    answer = await self.disturber.disturbed(reader.readline)
                if answer != line:
                    raise WrongBytesError(f"the answer {answer[:50]!r} to the line {line[:50]!r}")
                self.books.counts["bytes checked"] += len(answer)
            await self.disturber.pause()

    async def torn(self, reader: Any, writer: Any) -> None:
        """Talk as in peace, until one side tears it off; half of the clients never read."""
        incoming = Stream(2 * self.number + 1)
        talking = [asyncio.create_task(self._send_and_end(writer))]
        if self.chance.random() < 0.5:
            talking.append(asyncio.create_task(receive(reader, incoming, self.disturber)))
        await asyncio.wait(talking, timeout=self.chance.random() / 10)
        if self.plan["torn by"] == "client":
            tear(writer, self.chance)
        for task in talking:
            if self.chance.random() < 0.5:
                task.cancel()
        if not any(task.cancelled() for task in talking):
            await asyncio.wait(talking, timeout=self.chance.random() / 10)
        abort(writer)
        for result in await asyncio.gather(*talking, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, OSError | asyncio.CancelledError):
                raise result
        self.books.counts["torn by the client" if self.plan["torn by"] == "client" else "torn by the server"] += 1


def abort(writer: Any) -> None:
    # asyncio's own transport, asked once more after it has flushed and ended, stumbles over the loop it has dropped.
    with contextlib.suppress(AttributeError):
        writer.transport.abort()


def tear(writer: Any, chance: random.Random) -> None:
    """End a connection without ceremony, in one of the ways there are."""
    way = chance.randrange(3)
    if writer.transport.is_closing():
        return
    sock = writer.get_extra_info("socket")
    if way == 0 and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if way == 2:
        writer.close()
    else:
        abort(writer)


class Service:
    """The server's side of every plan."""

    def __init__(self, seed: int, books: Books) -> None:
        self.seed = seed
        self.books = books

    async def __call__(self, reader: Any, writer: Any) -> None:
        plan: dict[str, Any] = {}
        incoming = Stream(0)
        try:
            async with asyncio.timeout(PATIENCE):
                plan = json.loads(await reader.readline() or b"{}")
                if plan:
                    incoming = Stream(2 * plan["number"])
                    await self.talk(plan, reader, writer, incoming)
                writer.close()
                await writer.wait_closed()
        except Exception as error:  # noqa: BLE001 - whatever it is, the soak goes on and tells it at its end
            causes = flat(error)
            if plan.get("kind") != "torn" or not all(isinstance(cause, OSError) for cause in causes):
                self.books.failed(f"{plan}: on the server: {causes!r}")
        finally:
            writer.close()
            done = self.books.served.get(plan.get("number", -1))
            if done is not None and not done.done():
                done.set_result(incoming.position)

    async def talk(self, plan: dict[str, Any], reader: Any, writer: Any, incoming: Stream) -> None:
        chance = random.Random(self.seed * 999_983 + plan["number"])
        disturber = Disturber(chance, self.books.counts)
        outgoing = Stream(2 * plan["number"] + 1)
        if plan["kind"] == "upload":
            await receive(reader, incoming, disturber)
        elif plan["kind"] == "download":
            await send(writer, outgoing, plan["total"], disturber)
        elif plan["kind"] == "lines":
            async for line in reader:
                writer.write(line)
                await writer.drain()
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(receive(reader, incoming, disturber))
                group.create_task(send(writer, outgoing, plan["total"], disturber))
                if plan["kind"] == "torn" and plan["torn by"] == "server":
                    await asyncio.sleep(chance.random() / 10)
                    tear(writer, chance)
            if plan["kind"] == "duplex":
                writer.write_eof()
