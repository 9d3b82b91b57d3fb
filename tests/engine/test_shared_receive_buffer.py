"""A write to another connection in a callback does not overwrite the received data that is being processed."""

import asyncio
import threading

import sluiceway
from engine.peer_connections import open_connections
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.renegotiating_tls import RenegotiatingContext

RECORD = bytes(range(250)) * 24


async def test_write_during_tls_decryption_does_not_change_received_records(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    [other] = await open_connections(raw_peers)
    sent = threading.Event()

    def serve(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("send")
        peer.send(RECORD)
        peer.send(RECORD)
        sent.set()
        peer.wait_for("end")

    script = raw_peers.serve(serve)
    context = RenegotiatingContext.trusting(tls.ca_file)
    reader, writer = await sluiceway.open_connection(*script.address, ssl=context, server_hostname="localhost")

    def send() -> None:
        other.writer.write(b"\xff" * 6000)
        other.writer.write(b"\xff" * 6000)
        # get_extra_info("socket") sends corked data.
        other.transport.get_extra_info("socket")

    context.instances[0].after_read = send
    writer.transport.pause_reading()
    script.signal("send")
    await asyncio.to_thread(sent.wait)
    writer.transport.resume_reading()
    assert await reader.readexactly(2 * len(RECORD)) == RECORD + RECORD
    assert await other.peer.in_thread(other.peer.receive, 12_000) == b"\xff" * 12_000
    script.signal("end")
    writer.transport.abort()
    assert await reader.read() == b""
    await script.finished()
    await other.close()
