"""sluiceway raises the errors that the table in docs/howto/tls.md documents; each row has a test."""

import contextlib
import datetime
import pathlib
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import trustme

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeer, RawPeers

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "howto" / "tls.md"


class Row(NamedTuple):
    """A row of the table. The text of the exception contains one of ``messages``."""

    what: str
    exception: str
    messages: list[str]


def documented() -> list[dict[str, Row]]:
    """Return the rows of each table of the section, by cause."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## What goes wrong\n")[2].partition("\n## ")[0]
    return [rows_of(table) for table in re.findall(r"(?m)(?:^\|.*\n)+", section)]


def rows_of(table: str) -> dict[str, Row]:
    cells = [line.strip("|").split(" | ") for line in table.splitlines()[2:]]
    return {
        what.strip(): Row(what.strip(), exception.strip(), re.findall("`(.+?)`", said))
        for what, exception, said, _ in cells
    }


ROWS, LOADING = documented()


class Setup(NamedTuple):
    """The peers and certificates with which a cause provokes its error."""

    raw_peers: RawPeers
    tls: Certificates

    def server_context(self, *names: str, **validity: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.authority.issue_cert(*names or ("localhost", "127.0.0.1"), **validity).configure_cert(context)
        return context

    async def connect(self, server: "ssl.SSLContext | None", client: Any = None, **options: Any) -> None:
        """Connect to a server of sluiceway by its IP address, and read to EOF."""
        context = client or self.tls.client_context
        async with await sluiceway.start_server(close, "127.0.0.1", 0, ssl=server) as serving:
            reader, writer = await sluiceway.open_connection(*server_address(serving), ssl=context, **options)
            await read_to_end(reader, writer)

    async def connect_to(self, body: Callable[[RawPeer], Any], **options: Any) -> None:
        """Connect to a peer that runs ``body``, and read to EOF."""
        script = self.raw_peers.serve(body)
        try:
            reader, writer = await sluiceway.open_connection(*script.address, ssl=self.tls.client_context, **options)
            await read_to_end(reader, writer)
        finally:
            script.release()
            await script.finished()


async def close(reader: Any, writer: Any) -> None:
    writer.close()


async def read_to_end(reader: Any, writer: Any) -> None:
    try:
        await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)

Cause = Callable[[Setup], Awaitable[None]]
CAUSES: list[tuple[str, Cause]] = []


def causes(what: str) -> Callable[[Cause], Cause]:
    """Register a function as a cause of the row whose first cell begins with ``what``."""

    def register(cause: Cause) -> Cause:
        CAUSES.append((what, cause))
        return cause

    return register


@causes("the certificate is for another name")
async def certificate_for_another_name(setup: Setup) -> None:
    await setup.connect(setup.server_context(), server_hostname="other.example")


@causes("the certificate is for a name, and")
async def certificate_without_the_address(setup: Setup) -> None:
    await setup.connect(setup.server_context("localhost"))


@causes("the certificate has expired")
async def expired_certificate(setup: Setup) -> None:
    await setup.connect(setup.server_context(not_before=NOW - 9 * DAY, not_after=NOW - DAY))


@causes("the certificate is not valid yet")
async def certificate_not_yet_valid(setup: Setup) -> None:
    await setup.connect(setup.server_context(not_before=NOW + DAY))


@causes("an unknown authority signed")
async def unknown_authority(setup: Setup) -> None:
    await setup.connect(setup.server_context(), ssl.create_default_context())


@causes("an unknown authority signed")
async def unknown_authority_in_the_chain(setup: Setup) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf = setup.tls.authority.issue_cert("127.0.0.1")
    parts = [leaf.private_key_pem, *leaf.cert_chain_pems, setup.tls.authority.cert_pem]
    load(context, b"".join(part.bytes() for part in parts))
    await setup.connect(context, ssl.create_default_context())


@causes("the certificate is self-signed")
async def self_signed_certificate(setup: Setup) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority = trustme.CA()
    load(context, authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    await setup.connect(context, ssl.create_default_context())


def load(context: ssl.SSLContext, chain: bytes) -> None:
    with trustme.Blob(chain).tempfile() as path:
        context.load_cert_chain(path)


@causes("no TLS version in common")
async def no_common_version(setup: Setup) -> None:
    server, client = setup.server_context(), setup.tls.new_client_context()
    server.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    await setup.connect(server, client)


@causes("no TLS version in common")
async def server_without_certificate_and_client_of_tls_1_3(setup: Setup) -> None:
    client = setup.tls.new_client_context()
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    await setup.connect(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), client)


@causes("no cipher in common")
async def no_common_cipher(setup: Setup) -> None:
    server, client = setup.server_context(), setup.tls.new_client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE+CHACHA20")
    client.set_ciphers("ECDHE+AESGCM")
    await setup.connect(server, client)


@causes("no cipher in common")
async def server_without_certificate(setup: Setup) -> None:
    await setup.connect(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))


def context_requiring_certificate(setup: Setup) -> ssl.SSLContext:
    context = setup.tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@causes("the server requires a client certificate")
async def no_client_certificate(setup: Setup) -> None:
    await setup.connect(context_requiring_certificate(setup))


@causes("the server requires a client certificate")
async def no_client_certificate_in_tls_1_2(setup: Setup) -> None:
    client = setup.tls.new_client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    await setup.connect(context_requiring_certificate(setup), client)


@causes("the server does not trust")
async def untrusted_client(setup: Setup) -> None:
    client = setup.tls.new_client_context()
    trustme.CA().issue_cert("alice@example.org").configure_cert(client)
    await setup.connect(context_requiring_certificate(setup), client)


@causes("the client's certificate has expired")
async def expired_client_certificate(setup: Setup) -> None:
    client = setup.tls.new_client_context()
    issued = setup.tls.authority.issue_cert("alice@example.org", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    issued.configure_cert(client)
    await setup.connect(context_requiring_certificate(setup), client)


@causes("the port does not speak TLS")
async def plain_server_that_speaks_first(setup: Setup) -> None:
    def greet(peer: RawPeer) -> None:
        peer.send(b"220 mail.example ready\r\n")
        peer.receive_rest()

    await setup.connect_to(greet)


@causes("the peer closes during")
async def closed_by_peer(setup: Setup) -> None:
    def hang_up(peer: RawPeer) -> None:
        peer.half_close()
        peer.receive_rest()

    await setup.connect_to(hang_up)


@causes("the peer closes during")
async def reset(setup: Setup) -> None:
    await setup.connect_to(lambda peer: (peer.receive(1), peer.reset()))


@causes("the peer closes during")
async def plain_server_that_closes(setup: Setup) -> None:
    async def read_and_close(reader: Any, writer: Any) -> None:
        await reader.read(100_000)
        writer.close()

    async with await sluiceway.start_server(read_and_close, "127.0.0.1", 0) as server:
        await sluiceway.open_connection(*server_address(server), ssl=setup.tls.client_context)


@causes("the peer sends nothing")
async def silent_peer(setup: Setup) -> None:
    await setup.connect_to(lambda peer: peer.wait_for("the end"), ssl_handshake_timeout=0.2)


@causes("the peer sends nothing")
async def plain_server_that_waits_for_data(setup: Setup) -> None:
    async def wait(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    async with await sluiceway.start_server(wait, "127.0.0.1", 0) as server:
        context = setup.tls.client_context
        await sluiceway.open_connection(*server_address(server), ssl=context, ssl_handshake_timeout=0.2)


@causes("the peer sent data before")
async def plaintext_before_tls(setup: Setup) -> None:
    script = setup.raw_peers.serve(lambda peer: (peer.send(b"go\r\nmore\r\nx"), peer.receive_rest()))
    reader, writer = await sluiceway.open_connection(*script.address)
    try:
        assert await reader.readexactly(3) == b"go\r"
        await writer.start_tls(setup.tls.client_context, server_hostname="localhost")
    finally:
        writer.close()
        await writer.wait_closed()
        await script.finished()


@causes("TCP ended without close_notify")
async def truncated(setup: Setup) -> None:
    def cut(peer: RawPeer) -> None:
        peer.start_tls(setup.tls.server_context, server_side=True)
        peer.half_close()
        with contextlib.suppress(OSError):
            peer.receive_rest()

    await setup.connect_to(cut, strict_eof=True)


@causes("a client uses a server")
async def server_context_on_client(setup: Setup) -> None:
    await setup.connect(setup.tls.server_context, setup.tls.server_context)


@causes("`start_tls` on a client")
async def start_tls_without_a_name(setup: Setup) -> None:
    async with await sluiceway.start_server(close, "127.0.0.1", 0) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server))
        try:
            await writer.start_tls(setup.tls.client_context)
        finally:
            await read_to_end(reader, writer)


def row_of(beginning: str) -> Row:
    (found,) = [row for what, row in ROWS.items() if what.startswith(beginning)]
    return found


@pytest.mark.parametrize(("what", "cause"), [pytest.param(what, cause, id=cause.__name__) for what, cause in CAUSES])
async def test_cause_raises_the_documented_exception_and_message(
    what: str, cause: Cause, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: Any
) -> None:
    row = row_of(what)
    expected = eval(row.exception, {"ssl": ssl, "sluiceway": sluiceway})
    with pytest.raises((OSError, ValueError)) as caught:
        await cause(Setup(raw_peers, tls))
    assert type(caught.value) is expected
    assert any(message in str(caught.value) for message in row.messages), str(caught.value)
    assert row.exception == "ValueError" or re.search(r"(127\.0\.0\.1|other\.example)( port |:)\d+", str(caught.value))
    if loop_kind == "debug":
        loop_errors.clear()


async def test_plain_client_of_a_tls_port_reads_eof(tls: Certificates, loop_kind: str, loop_errors: Any) -> None:
    row = row_of("a plain client")
    async with await sluiceway.start_server(close, "127.0.0.1", 0, ssl=tls.server_context) as server:
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"EHLO example.org\r\n"):
            reader, writer = await sluiceway.open_connection(*server_address(server))
            writer.write(said)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
    assert row.exception == "none: `read()` returns the end"
    if loop_kind == "debug":
        assert [str(error["exception"]).partition("] ")[2].partition(" (")[0] for error in loop_errors] == [
            "http request",
            "wrong version number",
        ]
        loop_errors.clear()


def test_every_row_of_the_error_table_has_a_test() -> None:
    caused = {row_of(what).what for what, _ in CAUSES} | {row_of("a plain client").what}
    assert set(ROWS) == caused
    assert len(ROWS) > 15


@pytest.mark.parametrize(
    ("what", "files"),
    [
        ("there is no such file", ["missing.pem"]),
        ("the file has no private key", ["certificate.pem"]),
        ("the file has no private key", ["key.pem"]),
        ("the file has no private key", ["empty.pem"]),
        ("the key belongs to another certificate", ["certificate.pem", "other.pem"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_load_cert_chain_raises_the_documented_error(
    what: str, files: list[str], tls: Certificates, tmp_path: pathlib.Path
) -> None:
    issued, other = (tls.authority.issue_cert("localhost") for _ in range(2))
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    other.private_key_pem.write_to_path(tmp_path / "other.pem")
    (tmp_path / "empty.pem").touch()
    (row,) = [row for row in LOADING.values() if row.what.startswith(what)]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with pytest.raises(OSError) as caught:
        context.load_cert_chain(*(tmp_path / file for file in files))
    assert type(caught.value) is eval(row.exception, {"ssl": ssl})
    assert any(message.lower() in str(caught.value).lower() for message in row.messages), str(caught.value)


def test_every_row_of_load_cert_chain_has_a_test() -> None:
    assert len(LOADING) == 3
