"""Receive TLS records of one byte each, and print the cost of one record as JSON.

With ``--what data``, a peer sends a message in such records after the handshake. With ``--what hello``, it sends a
ClientHello of about 57 KB in such records. CPU time is that of the loop's thread. The peer runs in another thread, and
makes the records before the measurement.
"""

import argparse
import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

PATIENCE = 60
CHUNK = 1 << 16
HEADER = 5  # bytes of a TLS record before its content
PROTOCOLS = [f"{number:0250}" for number in range(225)]  # ALPN names, which make the ClientHello long


class Peer:
    """A TLS client that makes records. They are sent on ``sock``."""

    def __init__(self, address: Any, context: ssl.SSLContext) -> None:
        self.sock = socket.create_connection(address, PATIENCE)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def hello(self) -> bytes:
        """Return the ClientHello, one byte in each record."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        content = b"".join(_contents(self._outgoing.read()))
        return b"".join(b"\x16\x03\x01\x00\x01" + content[at : at + 1] for at in range(len(content)))

    def handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.sock.sendall(self._outgoing.read())
                self._incoming.write(self.sock.recv(CHUNK))
            else:
                self.sock.sendall(self._outgoing.read())
                return

    def data(self, records: int) -> bytes:
        """Return this number of records, each of which contains one byte."""
        for _ in range(records):
            self._tls.write(b"x")
        return self._outgoing.read()


def _contents(records: bytes) -> Iterator[bytes]:
    while records:
        end = HEADER + int.from_bytes(records[3:HEADER], "big")
        yield records[HEADER:end]
        records = records[end:]


async def seconds_for_data(streams: Any, contexts: tuple[Any, Any], records: int) -> float:
    """Return the CPU time of the loop's thread for receiving this number of records."""
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[float] = loop.create_future()
    made, sending, received = threading.Event(), threading.Event(), threading.Event()

    async def handler(reader: Any, writer: Any) -> None:
        await asyncio.to_thread(made.wait, PATIENCE)
        begun = time.thread_time()
        sending.set()
        count = 0
        while count < records:
            data = await reader.read(CHUNK)
            if not data:
                raise RuntimeError(f"only {count} of {records} bytes have arrived")
            count += len(data)
        finished.set_result(time.thread_time() - begun)
        received.set()
        writer.close()

    def run(address: Any) -> None:
        peer = Peer(address, contexts[1])
        with peer.sock:
            peer.handshake()
            wire = peer.data(records)
            made.set()
            sending.wait(PATIENCE)
            peer.sock.sendall(wire)
            # Not yet the end: unread session tickets would reset the connection.
            received.wait(PATIENCE)

    server = await streams.start_server(handler, "127.0.0.1", 0, ssl=contexts[0])
    async with server:
        await asyncio.to_thread(run, server.sockets[0].getsockname())
        return await asyncio.wait_for(finished, PATIENCE)


async def seconds_for_hello(streams: Any, contexts: tuple[Any, Any], repetitions: int) -> tuple[float, int]:
    """Return the CPU time of the loop's thread for receiving ClientHellos, and the number of their records."""

    def send(peer: Peer, wire: bytes) -> None:
        with peer.sock:
            peer.sock.sendall(wire)
            if not peer.sock.recv(1):
                raise RuntimeError("the server has refused the ClientHello")

    # The handshake does not end, so the handler is not called.
    server = await streams.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=contexts[0])
    took, records = 0.0, 0
    async with server:
        address = server.sockets[0].getsockname()
        for _ in range(repetitions):
            peer = await asyncio.to_thread(Peer, address, contexts[1])
            wire = peer.hello()
            begun = time.thread_time()
            await asyncio.to_thread(send, peer, wire)
            took += time.thread_time() - begun
            records += len(wire) // (HEADER + 1)
    return took, records


async def measured(arguments: argparse.Namespace) -> dict[str, float]:
    streams: Any = asyncio
    if arguments.streams == "sluiceway":
        import sluiceway

        streams = sluiceway
    certificate, key, authority = arguments.tls
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    context = ssl.create_default_context(cafile=authority)
    contexts = (server_context, context)
    records: int = arguments.records
    # The first connection costs more, so it is not measured.
    if arguments.what == "data":
        await seconds_for_data(streams, contexts, 1000)
        took = await seconds_for_data(streams, contexts, records)
    else:
        context.set_alpn_protocols(PROTOCOLS)
        _, each = await seconds_for_hello(streams, contexts, 1)
        took, records = await seconds_for_hello(streams, contexts, -(-records // each))
    return {"ns_per_record": took * 1e9 / records}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", choices=["asyncio", "sluiceway"], required=True)
    parser.add_argument("--what", choices=["data", "hello"], required=True)
    parser.add_argument("--records", type=int, required=True, help="about how many records are measured")
    parser.add_argument("--tls", nargs=3, metavar=("CERTIFICATE", "KEY", "AUTHORITY"), required=True)
    print(json.dumps(asyncio.run(measured(parser.parse_args()))))


if __name__ == "__main__":
    main()
