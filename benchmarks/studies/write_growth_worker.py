"""Queue many small writes for a peer that does not read yet, then let it read, and print the cost of one write as JSON.

The program measures ``--writes`` writes and four times as many, on two connections. CPU time is that of the loop's
thread. The peer runs in another thread.
"""

import argparse
import asyncio
import json
import socket
import ssl
import threading
import time
from typing import Any

FIRST = bytes(8 << 20)  # more than the buffers of both sockets hold, so that the following writes are queued
PIECE = b"twenty-two bytes, each"
TIMES = 4
PATIENCE = 60


def read_all(address: Any, context: ssl.SSLContext | None, start: threading.Event, found: list[int]) -> None:
    """Connect. After ``start`` is set, count the received bytes until end of file."""
    with socket.create_connection(address, PATIENCE) as plain:
        sock = plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
        with sock:
            start.wait(PATIENCE)
            count = 0
            while data := sock.recv(1 << 18):
                count += len(data)
    found.append(count)


async def seconds_for(streams: Any, writes: int, server_context: ssl.SSLContext | None, context: Any) -> float:
    """Return the CPU time of the loop's thread for queueing and sending this number of writes."""
    taken: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(reader: Any, writer: Any) -> None:
        taken.set_result(writer)

    server = await streams.start_server(handler, "127.0.0.1", 0, ssl=server_context)
    start = threading.Event()
    found: list[int] = []
    address = server.sockets[0].getsockname()
    peer = threading.Thread(target=read_all, args=(address, context, start, found), daemon=True)
    peer.start()
    writer = await taken
    writer.write(FIRST)
    begun = time.thread_time()
    for _ in range(writes):
        writer.write(PIECE)
    start.set()
    writer.close()
    await writer.wait_closed()
    took = time.thread_time() - begun
    peer.join(PATIENCE)
    server.close()
    if found != [len(FIRST) + writes * len(PIECE)]:
        raise RuntimeError(f"the peer received {found} bytes")
    return took


async def measured(arguments: argparse.Namespace) -> dict[str, float]:
    streams: Any = asyncio
    if arguments.streams == "sluiceway":
        import sluiceway

        streams = sluiceway
    server_context = context = None
    if arguments.tls:
        certificate, key, authority = arguments.tls
        server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_context.load_cert_chain(certificate, key)
        context = ssl.create_default_context(cafile=authority)
    # Excludes the cost of the first bytes and of the first connection.
    base = min([await seconds_for(streams, 0, server_context, context) for _ in range(2)])
    few = await seconds_for(streams, arguments.writes, server_context, context) - base
    many = await seconds_for(streams, TIMES * arguments.writes, server_context, context) - base
    return {"ns_per_write": many * 1e9 / (TIMES * arguments.writes), "growth": many / TIMES / few}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", choices=["asyncio", "sluiceway"], required=True)
    parser.add_argument("--writes", type=int, required=True)
    parser.add_argument("--tls", nargs=3, metavar=("CERTIFICATE", "KEY", "AUTHORITY"))
    print(json.dumps(asyncio.run(measured(parser.parse_args()))))


if __name__ == "__main__":
    main()
