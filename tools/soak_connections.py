"""The connections of the soak test: both ends, the exchanged data, and the ways to end a connection.

The client chooses a plan and sends it in its first line. After a clean close, all data that was sent must have
arrived; after an abort, the data that did arrive must still be correct.
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
from soak_traffic import FaultInjector, Stream, WrongBytesError, receive, send

# Seconds. The time limit of one connection under any load; it usually takes much less.
CONNECTION_TIMEOUT = 60.0

STREAM_SIZES = (0, 10, 3000, 60_000, 300_000, 1_500_000)
LIMITS = (500, 5000, 65_536)

# A path, or a host and a port, followed by a context for TLS.
Address = tuple[Any, ...] | str


def flatten_errors(error: BaseException) -> list[BaseException]:
    """Return the errors of a group and of its nested groups."""
    if isinstance(error, BaseExceptionGroup):
        return [one for inner in error.exceptions for one in flatten_errors(inner)]
    return [error]


class Records:
    """The counters, the failures, and the number of bytes that the server received on each connection."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.server_received: dict[int, asyncio.Future[int]] = {}

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


class ClientConnection:
    """The client side of one connection."""

    def __init__(self, number: int, address: Address, seed: int, records: Records) -> None:
        self.number = number
        self.address = address
        self.random = random.Random(seed * 1_000_003 + number)
        self.records = records
        self.faults = FaultInjector(self.random, records.counts)
        kinds: list[tuple[str, Callable[[Any, Any], Coroutine[Any, Any, None]]]] = [
            ("duplex", self.duplex),
            ("duplex", self.duplex),
            ("upload", self.upload),
            ("download", self.download),
            ("lines", self.lines),
            ("aborted", self.aborted),
        ]
        if isinstance(address, tuple) and len(address) == 3:
            kinds = [one for one in kinds if one[0] != "duplex"]
            records.counts["over TLS"] += 1
        self.kind, self.exchange = self.random.choice(kinds)
        self.total = self.random.choice(STREAM_SIZES)
        self.plan = {
            "number": number,
            "kind": self.kind,
            "total": self.total,
            "aborted by": self.random.choice(("client", "server")),
        }

    async def run(self) -> None:
        """Connect, exchange data, close and check. Failures are recorded, not raised."""
        done = asyncio.get_running_loop().create_future()
        self.records.server_received[self.number] = done
        try:
            async with asyncio.timeout(CONNECTION_TIMEOUT):
                reader, writer = await connect(self.address, self.random.choice(LIMITS))
                try:
                    writer.write(json.dumps(self.plan).encode() + b"\n")
                    await self.exchange(reader, writer)
                finally:
                    writer.close()
                    await self.wait_closed(writer)
                received = await done
            if self.kind == "duplex" and received != self.total:
                raise WrongBytesError(f"the server received {received} of {self.total} bytes")
            if self.kind == "upload" and received != self.total:
                raise WrongBytesError(f"the server received {received} of {self.total} bytes written before close()")
        except Exception as error:  # noqa: BLE001 - recorded and reported at the end
            self.records.failed(f"{self.plan}: on the client: {flatten_errors(error)!r}")
        finally:
            self.records.server_received.pop(self.number, None)
        self.records.counts[self.kind] += 1

    async def wait_closed(self, writer: Any) -> None:
        if self.kind == "aborted":
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        else:
            await self.faults.inject(writer.wait_closed)
            await writer.wait_closed()

    async def duplex(self, reader: Any, writer: Any) -> None:
        incoming = Stream(2 * self.number + 1)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_and_end(writer))
            group.create_task(receive(reader, incoming, self.faults))
        if incoming.position != self.total:
            raise WrongBytesError(f"the client received {incoming.position} of {self.total} bytes")

    async def _send_and_end(self, writer: Any) -> None:
        await send(writer, Stream(2 * self.number), self.total, self.faults)
        # TLS cannot be half-closed.
        if writer.can_write_eof():
            writer.write_eof()

    async def upload(self, reader: Any, writer: Any) -> None:
        """Close while written data is pending. All of it must arrive."""
        await send(writer, Stream(2 * self.number), self.total, self.faults)

    async def download(self, reader: Any, writer: Any) -> None:
        incoming = Stream(2 * self.number + 1)
        await receive(reader, incoming, self.faults)
        if incoming.position != self.total:
            raise WrongBytesError(f"the client received {incoming.position} of {self.total} bytes before the close()")

    async def lines(self, reader: Any, writer: Any) -> None:
        stream = Stream(2 * self.number)
        for _ in range(self.random.randrange(1, 60)):
            sent = [
                stream.next(self.random.randrange(200)).hex().encode() + b"\n"
                for _ in range(self.random.choice((1, 1, 20)))
            ]
            for line in sent:
                writer.write(line)
            for line in sent:
                answer = None
                while answer is None:
                    answer = await self.faults.inject(reader.readline)
                if answer != line:
                    raise WrongBytesError(f"wrong response {answer[:50]!r} to the line {line[:50]!r}")
                self.records.counts["bytes checked"] += len(answer)
            await self.faults.pause()

    async def aborted(self, reader: Any, writer: Any) -> None:
        """Exchange data until one side aborts the connection. Half of the clients never read."""
        incoming = Stream(2 * self.number + 1)
        talking = [asyncio.create_task(self._send_and_end(writer))]
        if self.random.random() < 0.5:
            talking.append(asyncio.create_task(receive(reader, incoming, self.faults)))
        await asyncio.wait(talking, timeout=self.random.random() / 10)
        if self.plan["aborted by"] == "client":
            drop_connection(writer, self.random)
        for task in talking:
            if self.random.random() < 0.5:
                task.cancel()
        if not any(task.cancelled() for task in talking):
            await asyncio.wait(talking, timeout=self.random.random() / 10)
        abort(writer)
        for result in await asyncio.gather(*talking, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, OSError | asyncio.CancelledError):
                raise result
        self.records.counts[f"aborted by the {self.plan['aborted by']}"] += 1


def abort(writer: Any) -> None:
    # asyncio's transport raises if it is used after it has flushed and closed, because it has dropped its loop.
    with contextlib.suppress(AttributeError):
        writer.transport.abort()


def drop_connection(writer: Any, chance: random.Random) -> None:
    """Reset, abort or close a connection."""
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


class ServerHandler:
    """The server side of every plan."""

    def __init__(self, seed: int, records: Records) -> None:
        self.seed = seed
        self.records = records

    async def __call__(self, reader: Any, writer: Any) -> None:
        plan: dict[str, Any] = {}
        incoming = Stream(0)
        try:
            async with asyncio.timeout(CONNECTION_TIMEOUT):
                plan = json.loads(await reader.readline() or b"{}")
                if plan:
                    incoming = Stream(2 * plan["number"])
                    await self.exchange(plan, reader, writer, incoming)
                writer.close()
                await writer.wait_closed()
        except Exception as error:  # noqa: BLE001 - recorded and reported at the end
            causes = flatten_errors(error)
            if plan.get("kind") != "aborted" or not all(isinstance(cause, OSError) for cause in causes):
                self.records.failed(f"{plan}: on the server: {causes!r}")
        finally:
            writer.close()
            done = self.records.server_received.get(plan.get("number", -1))
            if done is not None and not done.done():
                done.set_result(incoming.position)

    async def exchange(self, plan: dict[str, Any], reader: Any, writer: Any, incoming: Stream) -> None:
        chance = random.Random(self.seed * 999_983 + plan["number"])
        faults = FaultInjector(chance, self.records.counts)
        outgoing = Stream(2 * plan["number"] + 1)
        if plan["kind"] == "upload":
            await receive(reader, incoming, faults)
        elif plan["kind"] == "download":
            await send(writer, outgoing, plan["total"], faults)
        elif plan["kind"] == "lines":
            async for line in reader:
                writer.write(line)
                await writer.drain()
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(receive(reader, incoming, faults))
                group.create_task(send(writer, outgoing, plan["total"], faults))
                if plan["kind"] == "aborted" and plan["aborted by"] == "server":
                    await asyncio.sleep(chance.random() / 10)
                    drop_connection(writer, chance)
            if plan["kind"] == "duplex":
                writer.write_eof()
