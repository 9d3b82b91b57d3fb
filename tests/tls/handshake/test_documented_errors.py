"""What docs/howto/tls.md says of errors is what sluiceway raises: each row of its table is brought about here."""

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
    """A row: ``messages`` are alternatives, of which one is in what the exception says."""

    what: str
    exception: str
    messages: list[str]


def documented() -> dict[str, Row]:
    table = PAGE.read_text(encoding="utf-8").partition("\n## What goes wrong\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if re.match(r"\| (?!cause \|)", line)]
    return {
        what.strip(): Row(what.strip(), exception.strip(), re.findall("`(.+?)`", said))
        for what, exception, said, _ in rows
    }


ROWS = documented()


class Trouble(NamedTuple):
    """What a cause is given: peers and certificates of the test."""

    raw_peers: RawPeers
    tls: Certificates

    def server_context(self, *names: str, **validity: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.authority.issue_cert(*names or ("localhost", "127.0.0.1"), **validity).configure_cert(context)
        return context

    async def connect(self, server: "ssl.SSLContext | None", client: Any = None, **options: Any) -> None:
        """Connect to a server of sluiceway's by its address, and read to the end."""
        context = client or self.tls.client_context
        async with await sluiceway.start_server(close, "127.0.0.1", 0, ssl=server) as serving:
            reader, writer = await sluiceway.open_connection(*server_address(serving), ssl=context, **options)
            await read_to_end(reader, writer)

    async def connect_to(self, body: Callable[[RawPeer], Any], **options: Any) -> None:
        """Connect to a peer that behaves as it is told to, and read to the end."""
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

Cause = Callable[[Trouble], Awaitable[None]]
CAUSES: list[tuple[str, Cause]] = []


def brings_about(what: str) -> Callable[[Cause], Cause]:
    """Take a function for the cause of the row whose first cell begins with ``what``."""

    def register(cause: Cause) -> Cause:
        CAUSES.append((what, cause))
        return cause

    return register


@brings_about("the certificate is for another name")
async def another_name(trouble: Trouble) -> None:
    await trouble.connect(trouble.server_context(), server_hostname="other.example")


@brings_about("the certificate is for a name, and")
async def an_address(trouble: Trouble) -> None:
    await trouble.connect(trouble.server_context("localhost"))


@brings_about("the certificate has expired")
async def expired(trouble: Trouble) -> None:
    await trouble.connect(trouble.server_context(not_before=NOW - 9 * DAY, not_after=NOW - DAY))


@brings_about("the certificate is not valid yet")
async def not_yet_valid(trouble: Trouble) -> None:
    await trouble.connect(trouble.server_context(not_before=NOW + DAY))


@brings_about("an unknown authority signed")
async def unknown_authority(trouble: Trouble) -> None:
    await trouble.connect(trouble.server_context(), ssl.create_default_context())


@brings_about("an unknown authority signed")
async def unknown_authority_that_is_sent(trouble: Trouble) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf = trouble.tls.authority.issue_cert("127.0.0.1")
    parts = [leaf.private_key_pem, *leaf.cert_chain_pems, trouble.tls.authority.cert_pem]
    load(context, b"".join(part.bytes() for part in parts))
    await trouble.connect(context, ssl.create_default_context())


@brings_about("the certificate is self-signed")
async def self_signed(trouble: Trouble) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority = trustme.CA()
    load(context, authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    await trouble.connect(context, ssl.create_default_context())


def load(context: ssl.SSLContext, chain: bytes) -> None:
    with trustme.Blob(chain).tempfile() as path:
        context.load_cert_chain(path)


@brings_about("no TLS version in common")
async def no_version(trouble: Trouble) -> None:
    server, client = trouble.server_context(), trouble.tls.new_client_context()
    server.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    await trouble.connect(server, client)


@brings_about("no cipher in common")
async def no_cipher(trouble: Trouble) -> None:
    server, client = trouble.server_context(), trouble.tls.new_client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE+CHACHA20")
    client.set_ciphers("ECDHE+AESGCM")
    await trouble.connect(server, client)


@brings_about("no cipher in common")
async def no_certificate(trouble: Trouble) -> None:
    await trouble.connect(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))


def demanding(trouble: Trouble) -> ssl.SSLContext:
    context = trouble.tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@brings_about("the server requires a client certificate")
async def none_given(trouble: Trouble) -> None:
    await trouble.connect(demanding(trouble))


@brings_about("the server requires a client certificate")
async def none_given_in_tls_1_2(trouble: Trouble) -> None:
    client = trouble.tls.new_client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    await trouble.connect(demanding(trouble), client)


@brings_about("the server does not trust")
async def untrusted_client(trouble: Trouble) -> None:
    client = trouble.tls.new_client_context()
    trustme.CA().issue_cert("alice@example.org").configure_cert(client)
    await trouble.connect(demanding(trouble), client)


@brings_about("the port does not speak TLS")
async def plain_server_that_speaks_first(trouble: Trouble) -> None:
    def greet(peer: RawPeer) -> None:
        peer.send(b"220 mail.example ready\r\n")
        peer.receive_rest()

    await trouble.connect_to(greet)


@brings_about("the peer closes during")
async def hung_up(trouble: Trouble) -> None:
    def hang_up(peer: RawPeer) -> None:
        peer.half_close()
        peer.receive_rest()

    await trouble.connect_to(hang_up)


@brings_about("the peer closes during")
async def reset(trouble: Trouble) -> None:
    await trouble.connect_to(lambda peer: (peer.receive(1), peer.reset()))


@brings_about("the peer closes during")
async def plain_server_that_makes_nothing_of_it(trouble: Trouble) -> None:
    async def read_and_close(reader: Any, writer: Any) -> None:
        await reader.read(100_000)
        writer.close()

    async with await sluiceway.start_server(read_and_close, "127.0.0.1", 0) as server:
        await sluiceway.open_connection(*server_address(server), ssl=trouble.tls.client_context)


@brings_about("the peer sends nothing")
async def silent(trouble: Trouble) -> None:
    await trouble.connect_to(lambda peer: peer.wait_for("the end"), ssl_handshake_timeout=0.2)


@brings_about("the peer sends nothing")
async def plain_server_that_waits_for_more(trouble: Trouble) -> None:
    async def wait(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    async with await sluiceway.start_server(wait, "127.0.0.1", 0) as server:
        context = trouble.tls.client_context
        await sluiceway.open_connection(*server_address(server), ssl=context, ssl_handshake_timeout=0.2)


@brings_about("the peer sent data before")
async def plaintext_before_tls(trouble: Trouble) -> None:
    script = trouble.raw_peers.serve(lambda peer: (peer.send(b"go\r\nmore\r\nx"), peer.receive_rest()))
    reader, writer = await sluiceway.open_connection(*script.address)
    try:
        assert await reader.readexactly(3) == b"go\r"
        await writer.start_tls(trouble.tls.client_context, server_hostname="localhost")
    finally:
        writer.close()
        await writer.wait_closed()
        await script.finished()


@brings_about("TCP ended without close_notify")
async def cut_short(trouble: Trouble) -> None:
    def cut(peer: RawPeer) -> None:
        peer.start_tls(trouble.tls.server_context, server_side=True)
        peer.half_close()
        with contextlib.suppress(OSError):
            peer.receive_rest()

    await trouble.connect_to(cut, strict_eof=True)


@brings_about("a client uses a server")
async def servers_context(trouble: Trouble) -> None:
    await trouble.connect(trouble.tls.server_context, trouble.tls.server_context)


@brings_about("`start_tls` on a client")
async def no_name(trouble: Trouble) -> None:
    async with await sluiceway.start_server(close, "127.0.0.1", 0) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server))
        try:
            await writer.start_tls(trouble.tls.client_context)
        finally:
            await read_to_end(reader, writer)


def row_of(beginning: str) -> Row:
    (found,) = [row for what, row in ROWS.items() if what.startswith(beginning)]
    return found


@pytest.mark.parametrize(("what", "cause"), [pytest.param(what, cause, id=cause.__name__) for what, cause in CAUSES])
async def test_it_is_what_the_page_says(
    what: str, cause: Cause, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: Any
) -> None:
    row = row_of(what)
    expected = eval(row.exception, {"ssl": ssl, "sluiceway": sluiceway})
    with pytest.raises((OSError, ValueError)) as caught:
        await cause(Trouble(raw_peers, tls))
    assert type(caught.value) is expected
    assert any(message in str(caught.value) for message in row.messages), str(caught.value)
    assert row.exception == "ValueError" or re.search(r"(127\.0\.0\.1|other\.example)( port |:)\d+", str(caught.value))
    if loop_kind == "debug":
        loop_errors.clear()


async def test_who_speaks_plainly_to_a_tls_port_reads_the_end(
    tls: Certificates, loop_kind: str, loop_errors: Any
) -> None:
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


def test_every_row_is_brought_about() -> None:
    brought = {row_of(what).what for what, _ in CAUSES} | {row_of("a plain client").what}
    assert set(ROWS) == brought
    assert len(ROWS) > 15
