"""An aiosmtpd server on sluiceway, and the standard library's smtplib over STARTTLS (contract S12)."""

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

PATIENCE = 10
ATTACHMENT = bytes(range(256)) * 1024


class Mailbox:
    """aiosmtpd's handler: keeps what is delivered."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        assert session.ssl is not None
        self.envelopes.append(envelope)
        return "250 Kept"


@contextlib.asynccontextmanager
async def serving(order: str, mailbox: Mailbox, tls: Certificates, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """Yield where an aiosmtpd server listens, with sluiceway installed meanwhile."""
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


async def visit(body: Callable[[smtplib.SMTP], Any], address: tuple[str, int]) -> Any:
    """Run ``body`` in a thread with an smtplib client that greeted the server."""

    def session() -> Any:
        with smtplib.SMTP("localhost", address[1], timeout=PATIENCE, source_address=("127.0.0.1", 0)) as client:
            client.ehlo()
            return body(client)

    return await asyncio.to_thread(session)


def message() -> email.message.EmailMessage:
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "bytes"
    made.set_content("lines\n.with a dot\n..with two\n")
    made.add_attachment(ATTACHMENT, maintype="application", subtype="octet-stream")
    return made


def delivered(envelope: Any) -> bytes:
    got = email.message_from_bytes(envelope.content, policy=email.policy.default)
    attachment = next(iter(got.iter_attachments())).get_content()
    assert isinstance(attachment, bytes)
    return attachment


@pytest.mark.parametrize("order", IMPORT_ORDERS)
async def test_mail_over_starttls(order: str, tls: Certificates) -> None:
    mailbox = Mailbox()

    def send(client: smtplib.SMTP) -> None:
        assert client.has_extn("starttls")
        client.starttls(context=tls.client_context)
        client.ehlo()
        assert not client.has_extn("starttls")
        for _ in range(2):
            assert client.send_message(message()) == {}

    with count_traffic() as traffic:
        async with serving(order, mailbox, tls) as address:
            await visit(send, address)
    assert [delivered(envelope) for envelope in mailbox.envelopes] == [ATTACHMENT] * 2
    assert traffic.bytes_read > 2 * len(ATTACHMENT)
    assert traffic.bytes_written > 0
    assert traffic.asyncio_calls == 0


def replies(sock: socket.socket, count: int) -> list[bytes]:
    """The next replies of the server, one line each."""
    received = b""
    while received.count(b"\n") < count:
        part = sock.recv(4096)
        assert part, received
        received += part
    return received.splitlines()


async def run_on_blocking_socket(address: tuple[str, int], body: Callable[[socket.socket], Any]) -> Any:
    """Run ``body`` in a thread with a connected socket on which the server has greeted."""

    def session() -> Any:
        with socket.create_connection(address, PATIENCE) as sock:
            assert replies(sock, 1)[0].startswith(b"220")
            return body(sock)

    return await asyncio.to_thread(session)


@pytest.mark.loops("asyncio", "uvloop")
@pytest.mark.parametrize("order", IMPORT_ORDERS)
async def test_commands_slipped_in_before_the_handshake_are_forgotten(order: str, tls: Certificates) -> None:
    """aiosmtpd clears ``_buffer`` when the encryption begins, and that is what counts."""

    def slip_in(sock: socket.socket) -> list[bytes]:
        sock.sendall(b"EHLO x\r\n")
        while not sock.recv(4096).splitlines()[-1].startswith(b"250 "):
            pass
        sock.sendall(b"STARTTLS\r\nVRFY slipped@in\r\nHELP\r\n")
        assert replies(sock, 1)[0].startswith(b"220")
        with tls.client_context.wrap_socket(sock, server_hostname="localhost") as encrypted:
            encrypted.sendall(b"NOOP\r\nQUIT\r\n")
            return replies(encrypted, 2)

    with count_traffic() as traffic:
        async with serving(order, Mailbox(), tls) as address:
            answers = await run_on_blocking_socket(address, slip_in)
    assert [answer[:3] for answer in answers] == [b"250", b"221"]
    assert traffic.bytes_read > 0
    assert traffic.asyncio_calls == 0


@pytest.mark.loops("asyncio", "uvloop")
@pytest.mark.parametrize("order", IMPORT_ORDERS)
async def test_a_line_longer_than_the_limit_is_refused_and_the_next_understood(order: str, tls: Certificates) -> None:
    def be_long(sock: socket.socket) -> list[bytes]:
        sock.sendall(b"NOOP " + b"x" * 3000 + b"\r\nNOOP\r\nQUIT\r\n")
        return replies(sock, 3)

    with count_traffic() as traffic:
        async with serving(order, Mailbox(), tls) as address:
            answers = await run_on_blocking_socket(address, be_long)
    assert [answer[:3] for answer in answers] == [b"500", b"250", b"221"]
    assert traffic.bytes_read > 3000
    assert traffic.asyncio_calls == 0
