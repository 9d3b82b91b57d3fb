"""S12: an aiosmtpd server runs on sluiceway and serves the standard library's smtplib over STARTTLS."""

import asyncio
import contextlib
import email.message
import email.policy
import smtplib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import sluiceway
from dropin.import_order import IMPORT_ORDERS, import_in_order
from dropin.traffic_counter import count_traffic
from support.certificates import Certificates
from support.timeouts import PEER_TIMEOUT

ATTACHMENT = bytes(range(256)) * 1024


class Mailbox:
    """A handler of aiosmtpd that keeps what is delivered."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        assert session.ssl is not None
        self.envelopes.append(envelope)
        return "250 Kept"


@contextlib.asynccontextmanager
async def running_server(
    order: str, mailbox: Mailbox, tls: Certificates, **options: Any
) -> AsyncIterator[tuple[str, int]]:
    """Yield the address of an aiosmtpd server, while sluiceway is installed."""
    smtp = import_in_order("aiosmtpd.smtp", order).SMTP
    loop = asyncio.get_running_loop()
    protocols = []

    def make() -> Any:
        protocol = smtp(mailbox, hostname="localhost", tls_context=tls.server_context, loop=loop, **options)
        protocols.append(protocol)
        return protocol

    with sluiceway.installed():
        server = await loop.create_server(make, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[:2]
        finally:
            server.close()
            for protocol in protocols:
                if protocol.transport is not None:
                    protocol.transport.close()
            await server.wait_closed()


async def run_smtp_client(body: Callable[[smtplib.SMTP], Any], address: tuple[str, int]) -> Any:
    """Run ``body`` in a thread with an smtplib client that has sent EHLO."""

    def session() -> Any:
        with smtplib.SMTP("localhost", address[1], timeout=PEER_TIMEOUT, source_address=("127.0.0.1", 0)) as client:
            client.ehlo()
            return body(client)

    return await asyncio.to_thread(session)


def new_mail() -> email.message.EmailMessage:
    new_message = email.message.EmailMessage()
    new_message["From"], new_message["To"], new_message["Subject"] = "a@example.org", "b@example.org", "bytes"
    new_message.set_content("lines\n.with a dot\n..with two\n")
    new_message.add_attachment(ATTACHMENT, maintype="application", subtype="octet-stream")
    return new_message


def attachment_of(envelope: Any) -> bytes:
    received_message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    attachment = next(iter(received_message.iter_attachments())).get_content()
    assert isinstance(attachment, bytes)
    return attachment


@pytest.mark.parametrize("order", IMPORT_ORDERS)
async def test_mail_over_starttls_is_delivered(order: str, tls: Certificates) -> None:
    mailbox = Mailbox()

    def send(client: smtplib.SMTP) -> None:
        assert client.has_extn("starttls")
        client.starttls(context=tls.client_context)
        client.ehlo()
        assert not client.has_extn("starttls")
        for _ in range(2):
            assert client.send_message(new_mail()) == {}

    with count_traffic() as traffic:
        async with running_server(order, mailbox, tls) as address:
            await run_smtp_client(send, address)
    assert [attachment_of(envelope) for envelope in mailbox.envelopes] == [ATTACHMENT] * 2
    assert traffic.bytes_read > 2 * len(ATTACHMENT)
    assert traffic.bytes_written > 0
    assert traffic.asyncio_calls == 0


def receive_replies(sock: socket.socket, count: int) -> list[bytes]:
    """Receive the next replies of the server, one line each."""
    received = b""
    while received.count(b"\n") < count:
        part = sock.recv(4096)
        assert part, received
        received += part
    return received.splitlines()


async def run_on_blocking_socket(address: tuple[str, int], body: Callable[[socket.socket], Any]) -> Any:
    """Run ``body`` in a thread with a connected socket that has received the server's greeting."""

    def session() -> Any:
        with socket.create_connection(address, PEER_TIMEOUT) as sock:
            assert receive_replies(sock, 1)[0].startswith(b"220")
            return body(sock)

    return await asyncio.to_thread(session)


@pytest.mark.loops("asyncio", "uvloop")
@pytest.mark.parametrize("order", IMPORT_ORDERS)
async def test_commands_sent_before_handshake_are_discarded(order: str, tls: Certificates) -> None:
    """T2: aiosmtpd clears ``_buffer`` at STARTTLS, and that takes effect."""

    def send_before_handshake(sock: socket.socket) -> list[bytes]:
        sock.sendall(b"EHLO x\r\n")
        while not sock.recv(4096).splitlines()[-1].startswith(b"250 "):
            pass
        sock.sendall(b"STARTTLS\r\nVRFY slipped@in\r\nHELP\r\n")
        assert receive_replies(sock, 1)[0].startswith(b"220")
        with tls.client_context.wrap_socket(sock, server_hostname="localhost") as encrypted:
            encrypted.sendall(b"NOOP\r\nQUIT\r\n")
            return receive_replies(encrypted, 2)

    with count_traffic() as traffic:
        async with running_server(order, Mailbox(), tls) as address:
            answers = await run_on_blocking_socket(address, send_before_handshake)
    assert [answer[:3] for answer in answers] == [b"250", b"221"]
    assert traffic.bytes_read > 0
    assert traffic.asyncio_calls == 0


@pytest.mark.loops("asyncio", "uvloop")
@pytest.mark.parametrize("order", IMPORT_ORDERS)
async def test_overlong_line_is_refused_and_next_is_accepted(order: str, tls: Certificates) -> None:
    def send_long_line(sock: socket.socket) -> list[bytes]:
        sock.sendall(b"NOOP " + b"x" * 3000 + b"\r\nNOOP\r\nQUIT\r\n")
        return receive_replies(sock, 3)

    with count_traffic() as traffic:
        async with running_server(order, Mailbox(), tls) as address:
            answers = await run_on_blocking_socket(address, send_long_line)
    assert [answer[:3] for answer in answers] == [b"500", b"250", b"221"]
    assert traffic.bytes_read > 3000
    assert traffic.asyncio_calls == 0
