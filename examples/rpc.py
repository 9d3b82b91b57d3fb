"""Remote procedure calls: JSON messages, each preceded by its length in four bytes.

Run the server, and call a function with JSON arguments:

    python rpc.py serve tcp://127.0.0.1:7002
    python rpc.py call tcp://127.0.0.1:7002 add 2 3

A client sends requests without waiting for earlier answers; the server answers each as soon as it is ready. The address
may also be ``unix:PATH``.
"""

import argparse
import asyncio
import itertools
import json
import operator
import statistics
import time
from collections.abc import Callable
from typing import Any

import sluiceway

LARGEST_MESSAGE = 1 << 20
# The most requests of one client that are worked on at the same time.
CONCURRENT = 100

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "mean": lambda *numbers: statistics.mean(numbers),
    "sleep": asyncio.sleep,
    "time": time.time,
}


async def send_message(stream: sluiceway.Stream, message: Any) -> None:
    await stream.send_frame(json.dumps(message).encode(), length_bytes=4)


# -- the server -------------------------------------------------------------------------------------------------------


async def serve_client(stream: sluiceway.Stream) -> None:
    """Answer the requests of one client until it leaves."""
    free = asyncio.Semaphore(CONCURRENT)
    try:
        async with asyncio.TaskGroup() as running:
            async for frame in stream.frames(length_bytes=4, max_size=LARGEST_MESSAGE):
                # While all are in use, nothing is read, and the client has to wait.
                await free.acquire()
                running.create_task(answer(stream, frame, free))
    except* (OSError, sluiceway.IncompleteReadError, sluiceway.LimitOverrunError) as error:
        print("a client was disconnected:", error.exceptions[0], flush=True)


async def answer(stream: sluiceway.Stream, frame: bytes, free: asyncio.Semaphore) -> None:
    reply: dict[str, Any] = {"id": None}
    try:
        request = json.loads(frame)
        reply["id"] = request["id"]
        result = FUNCTIONS[request["function"]](*request["arguments"])
        reply["result"] = await result if asyncio.iscoroutine(result) else result
    except Exception as error:  # the client gets the error of its request
        reply["error"] = f"{type(error).__name__}: {error}"
    finally:
        free.release()
    await send_message(stream, reply)


# -- the client -------------------------------------------------------------------------------------------------------


class Client:
    """Calls functions of a server; any number of tasks may call at the same time."""

    def __init__(self, stream: sluiceway.Stream) -> None:
        self.stream = stream
        self.numbers = itertools.count(1)
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.ended = False

    async def call(self, function: str, *arguments: Any) -> Any:
        if self.ended:
            raise ConnectionError("the server has closed the connection")
        number = next(self.numbers)
        reply = self.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await send_message(self.stream, {"id": number, "function": function, "arguments": arguments})
            return await reply
        finally:
            del self.waiting[number]

    async def receive(self) -> None:
        """Pass the replies on until the connection ends. Run it as a task beside the calls."""
        try:
            async for frame in self.stream.frames(length_bytes=4, max_size=LARGEST_MESSAGE):
                reply = json.loads(frame)
                waiting = self.waiting.get(reply["id"])
                if waiting is None or waiting.done():
                    continue  # the call was cancelled
                if "error" in reply:
                    waiting.set_exception(RuntimeError(reply["error"]))
                else:
                    waiting.set_result(reply["result"])
        finally:
            self.ended = True
            for waiting in self.waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError("the server has closed the connection"))


async def call(address: str, function: str, arguments: list[str]) -> None:
    async with sluiceway.connect(address, timeout=5) as stream:
        client = Client(stream)
        receiving = asyncio.create_task(client.receive())
        try:
            print(await client.call(function, *map(json.loads, arguments)))
        finally:
            receiving.cancel()


async def serve(address: str) -> None:
    handler = sluiceway.stream_handler(serve_client)
    if address.startswith("unix:"):
        server = await sluiceway.start_unix_server(handler, address.removeprefix("unix:"))
    else:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        server = await sluiceway.start_server(handler, host.strip("[]"), int(port))
    async with server:
        name = server.sockets[0].getsockname()
        print("listening on", name if isinstance(name, str) else "{}:{}".format(*name), flush=True)
        await server.serve_forever()


async def main() -> None:
    parser = argparse.ArgumentParser(description="Remote procedure calls.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve").add_argument("address")
    calling = commands.add_parser("call")
    calling.add_argument("address")
    calling.add_argument("function", choices=FUNCTIONS)
    calling.add_argument("arguments", nargs="*")
    given = parser.parse_args()
    if given.command == "serve":
        await serve(given.address)
    else:
        await call(given.address, given.function, given.arguments)


if __name__ == "__main__":
    asyncio.run(main())
