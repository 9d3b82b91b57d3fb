"""What one connection received is still looked at while another, out of a callback in the middle, sends."""

import asyncio
import threading

import sluiceway
from engine.ends import opened
from support.certificates import Certificates
from support.hesitant import HesitantContext
from support.peer import Peers, Wire

RECORD = bytes(range(250)) * 24


async def test_records_that_came_together(peer: Peers, tls: Certificates) -> None:
    [other] = await opened(peer)
    sent = threading.Event()

    def serve(wire: Wire) -> None:
        wire.start_tls(tls.server_context, server_side=True)
        wire.wait("send")
        wire.send(RECORD)
        wire.send(RECORD)
        sent.set()
        wire.wait("end")

    script = peer.serve(serve)
    context = HesitantContext.trusting(tls.ca_file)
    reader, writer = await sluiceway.open_connection(*script.address, ssl=context, server_hostname="localhost")

    def send() -> None:
        other.writer.write(b"\xff" * 6000)
        other.writer.write(b"\xff" * 6000)
        # Whoever gets the socket finds nothing waiting.
        other.transport.get_extra_info("socket")

    context.made[0].after_read = send
    writer.transport.pause_reading()
    script.go("send")
    await asyncio.to_thread(sent.wait)
    writer.transport.resume_reading()
    assert await reader.readexactly(2 * len(RECORD)) == RECORD + RECORD
    assert await other.wire.in_thread(other.wire.receive, 12_000) == b"\xff" * 12_000
    script.go("end")
    writer.transport.abort()
    assert await reader.read() == b""
    await script.finished()
    await other.close()
