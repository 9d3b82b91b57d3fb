"""Read short records from one connection, which a child process fills, and print the CPU time of each as JSON.

``--form``: how the records are read. The reading loops do nothing else.
"""

import argparse
import asyncio
import importlib
import json
import os
import socket
import time
from typing import Any

LINE = b"x" * 31 + b"\n"
FRAME = (60).to_bytes(4, "big") + b"x" * 60
TOGETHER = 1024


async def readline(reader: Any, streams: Any) -> None:
    while await reader.readline():
        pass


async def lines(reader: Any, streams: Any) -> None:
    async for _ in streams.lines(reader):
        pass


async def readexactly(reader: Any, streams: Any) -> None:
    try:
        while True:
            await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise


async def frames(reader: Any, streams: Any) -> None:
    async for _ in streams.frames(reader, length_bytes=4):
        pass


async def read_line(reader: Any, streams: Any) -> None:
    stream = streams.Stream.from_pair(reader, None)
    while await stream.read_line():
        pass


# How the records are read, and one record.
FORMS = {
    "readline": (readline, LINE),
    "read_line": (read_line, LINE),
    "lines": (lines, LINE),
    "readexactly": (readexactly, FRAME),
    "frames": (frames, FRAME),
}


def fill(peer: socket.socket, record: bytes, batches: int) -> None:
    for _ in range(batches):
        peer.sendall(record * TOGETHER)


async def measured(streams: Any, form: str, batches: int) -> dict[str, float]:
    read, record = FORMS[form]
    ours, peer = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        fill(peer, record, batches)
        os._exit(0)
    peer.close()
    reader, writer = await streams.open_connection(sock=ours)
    begun = time.process_time()
    await read(reader, streams)
    cpu = time.process_time() - begun
    writer.close()
    await writer.wait_closed()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the child process failed")
    return {"ns_per_record": cpu * 1e9 / (batches * TOGETHER)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", choices=("asyncio", "sluiceway"), required=True)
    parser.add_argument("--form", choices=tuple(FORMS), required=True)
    parser.add_argument("--batches", type=int, required=True)
    arguments = parser.parse_args()
    if arguments.streams == "sluiceway":
        import sluiceway as streams

        # The package imports the Stream API at its first use, which is not part of a read.
        importlib.import_module("sluiceway.stream")
    else:
        streams: Any = asyncio  # type: ignore[no-redef]
    print(json.dumps(asyncio.run(measured(streams, arguments.form, arguments.batches))))


if __name__ == "__main__":
    main()
