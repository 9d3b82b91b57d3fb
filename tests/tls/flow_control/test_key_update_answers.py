"""T6: reading pauses while a peer requests key updates and does not read OpenSSL's answers."""

import asyncio
import pathlib
import socket
from typing import Any

from support.certificates import Certificates
from support.key_updates import KeyUpdatingClient
from support.raw_peer import RawPeers
from support.scheduling import wait_until
from support.tls_connections import manual_tls_connection

KIB = 1024
# Bytes of pending answers, those of one more arrival, and the high-water mark of the test.
BOUND = 64 * KIB + 8 * KIB + KIB
COUNT = 5 * KIB
ANSWER_SIZE = 27


def _set_kernel_buffers(sending: Any, receiving: Any, size: int) -> None:
    sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


async def test_reading_pauses_while_the_peer_reads_no_answers(
    raw_peers: RawPeers, tls: Certificates, tmp_path: pathlib.Path
) -> None:
    context = tls.new_client_context()
    key_log_file = str(tmp_path / "keys")
    context.keylog_filename = key_log_file
    async with manual_tls_connection("server", raw_peers, tls, peer_context=context, limit=KIB) as (
        reader,
        writer,
        peer,
        manual_tls,
    ):
        transport = writer.transport
        transport.set_write_buffer_limits(high=KIB)
        sock = writer.get_extra_info("socket")
        _set_kernel_buffers(sock, peer.sock, 4 * KIB)
        client = KeyUpdatingClient(manual_tls.ssl_object, key_log_file)
        records = client.key_update_requests(COUNT) + client.data(b"line\n")
        sending = asyncio.create_task(peer.in_thread(peer.send, records))
        await wait_until(lambda: not transport.is_reading() or transport.get_write_buffer_size() > BOUND)
        assert not transport.is_reading()
        assert transport.get_write_buffer_size() <= BOUND
        _set_kernel_buffers(sock, peer.sock, 1024 * KIB)
        # All but a few of the answers: how many tickets precede them is OpenSSL's decision.
        receiving = asyncio.create_task(peer.in_thread(peer.receive, (COUNT - 10) * ANSWER_SIZE))
        assert await reader.readline() == b"line\n"
        await receiving
        await sending


async def test_room_for_answers_does_not_resume_reading_paused_by_the_reader(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    async with manual_tls_connection("server", raw_peers, tls) as (_, writer, _, _):
        transport = writer.transport
        transport.lower_paused()
        transport.answers_blocked()
        transport.pause_reading()
        transport.lower_resumed()
        assert not transport.is_reading()
        transport.resume_reading()
        assert transport.is_reading()
        transport.lower_paused()
        transport.answers_blocked()
        transport.pause_reading()
        transport.resume_reading()
        assert not transport.is_reading()
        transport.lower_resumed()
        assert transport.is_reading()
