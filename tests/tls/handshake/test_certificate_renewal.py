"""A certificate that is loaded into the context of a running server (docs/howto/renew-certificates.md)."""

import asyncio
import contextlib
import pathlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

import sluiceway
from support.certificates import Certificates
from support.connections import server_address


@contextlib.asynccontextmanager
async def connection(server: sluiceway.Server, context: ssl.SSLContext) -> AsyncIterator[tuple[Any, Any]]:
    """Yield (reader, writer) of a new connection to ``server``."""
    reader, writer = await sluiceway.open_connection(*server_address(server), ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def echo(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
    writer.close()


def write_certificate(leaf: trustme.LeafCert, key: trustme.LeafCert, path: pathlib.Path) -> pathlib.Path:
    """Write the certificate of one and the private key of another, which may be the same."""
    path.write_bytes(key.private_key_pem.bytes() + b"".join(part.bytes() for part in leaf.cert_chain_pems))
    return path


def serial(writer: Any) -> Any:
    return writer.get_extra_info("peercert")["serialNumber"]


async def test_new_connections_use_the_renewed_certificate_and_open_ones_continue(
    tls: Certificates, tmp_path: pathlib.Path
) -> None:
    context, client = tls.new_server_context(), tls.client_context
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        async with connection(server, client) as (reader, writer):
            before = serial(writer)
            leaf = tls.authority.issue_cert("127.0.0.1")
            context.load_cert_chain(write_certificate(leaf, leaf, tmp_path / "renewed.pem"))
            async with connection(server, client) as (_, other):
                assert serial(other) != before
            writer.write(b"a line\n")
            assert await reader.readline() == b"a line\n"
            assert serial(writer) == before


async def test_mismatched_key_raises_and_leaves_the_context_without_a_key(
    tls: Certificates, tmp_path: pathlib.Path, loop_kind: str, loop_errors: Any
) -> None:
    """OpenSSL loads the certificate first, and drops the key that does not match it."""
    context = tls.new_server_context()
    one, other = (tls.authority.issue_cert("127.0.0.1") for _ in range(2))
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
            context.load_cert_chain(write_certificate(one, other, tmp_path / "mixed.pem"))
        with pytest.raises(ssl.SSLError, match=r"(?i)alert handshake failure"):
            await sluiceway.open_connection(*server_address(server), ssl=tls.client_context)
        context.load_cert_chain(write_certificate(one, one, tmp_path / "right.pem"))
        async with connection(server, tls.client_context) as (_, writer):
            assert writer.get_extra_info("peercert")
    if loop_kind == "debug":
        loop_errors.clear()


async def test_certificate_with_another_key_type_is_used_beside_the_first(
    tls: Certificates, tmp_path: pathlib.Path
) -> None:
    context = tls.new_server_context()
    leaf = tls.authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    context.load_cert_chain(write_certificate(leaf, leaf, tmp_path / "rsa.pem"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    ciphers = set()
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        for signed in ("aECDSA", "aRSA"):
            client = tls.new_client_context()
            client.set_ciphers(f"{signed}+AESGCM")
            async with connection(server, client) as (_, writer):
                ciphers.add(writer.get_extra_info("cipher")[0].split("-")[1])
    assert ciphers == {"ECDSA", "RSA"}


class CountingContext(ssl.SSLContext):
    """A context that counts the handshakes it was used for, and passes a session on where it has one."""

    handshakes = 0
    session: ssl.SSLSession | None = None

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        self.handshakes += 1
        return super().wrap_bio(*args, session=self.session, **options)


async def test_connection_accepted_before_the_renewal_uses_the_old_certificate(
    tls: Certificates, tmp_path: pathlib.Path
) -> None:
    context = CountingContext(ssl.PROTOCOL_TLS_SERVER)
    old, new = (tls.authority.issue_cert("127.0.0.1") for _ in range(2))
    context.load_cert_chain(write_certificate(old, old, tmp_path / "old.pem"))
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        async with connection(server, tls.client_context) as (_, writer):
            before = serial(writer)
        _, writer = await sluiceway.open_connection(*server_address(server))
        while context.handshakes == 1:
            await asyncio.sleep(0)
        context.load_cert_chain(write_certificate(new, new, tmp_path / "new.pem"))
        await writer.start_tls(tls.client_context, server_hostname="127.0.0.1")
        assert serial(writer) == before
        writer.close()
        await writer.wait_closed()


async def test_session_from_before_the_renewal_is_resumed_without_a_certificate(
    tls: Certificates, tmp_path: pathlib.Path
) -> None:
    context = tls.new_server_context()
    client = CountingContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(tls.ca_file)
    seen = []
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        for name in ("first", "second"):
            async with connection(server, client) as (reader, writer):
                writer.write(b"a line\n")
                await reader.readline()
                tls_object = writer.get_extra_info("ssl_object")
                seen.append((tls_object.session_reused, serial(writer)))
                client.session = tls_object.session
            leaf = tls.authority.issue_cert("127.0.0.1")
            context.load_cert_chain(write_certificate(leaf, leaf, tmp_path / f"{name}.pem"))
    assert seen == [(False, seen[0][1]), (True, seen[0][1])]


@pytest.mark.parametrize("required", [False, True])
async def test_context_of_the_sni_callback_does_not_decide_whether_a_client_certificate_is_required(
    required: bool, tls: Certificates, loop_kind: str, loop_errors: Any
) -> None:
    listening, chosen = tls.new_server_context(), tls.new_server_context()
    (listening if required else chosen).verify_mode = ssl.CERT_REQUIRED

    def choose(ssl_object: Any, name: str | None, context: ssl.SSLContext) -> None:
        ssl_object.context = chosen

    listening.sni_callback = choose
    client = tls.new_client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2  # the client learns of the refusal in open_connection
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=listening) as server:
        refused = pytest.raises(ssl.SSLError, match=r"(?i)alert handshake failure")
        with refused if required else contextlib.nullcontext():
            async with connection(server, client):
                pass
    if loop_kind == "debug":
        loop_errors.clear()
