"""redis-server with TLS that requires a client certificate, by its protocol on streams.

tests/dropin/test_redis.py tests its client library.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.redis_server import start_redis_server

COMMANDS = 10_000

each_version = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, tls: Certificates) -> Iterator[int]:
    requiring_certificate = ("tls-auth-clients yes", f"tls-ca-cert-file {tls.ca_file}")
    with start_redis_server(tmp_path_factory.mktemp("redis"), tls, *requiring_certificate) as (_, tls_port):
        yield tls_port


def client_context(tls: Certificates, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = tls.new_client_context()
    context.minimum_version = context.maximum_version = version
    tls.authority.issue_cert("client.example").configure_cert(context)
    return context


@contextlib.asynccontextmanager
async def redis_connection(port: int, context: ssl.SSLContext) -> AsyncIterator[tuple[Any, Any]]:
    reader, writer = await sluiceway.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def read_reply(reader: Any) -> bytes:
    """Return the next reply: its line, or the content of a bulk string."""
    line: bytes = (await reader.readuntil(b"\r\n")).removesuffix(b"\r\n")
    if line[:1] != b"$":
        return line
    bulk: bytes = await reader.readexactly(int(line[1:]) + 2)
    return bulk.removesuffix(b"\r\n")


@each_version
async def test_ping_set_and_get_return_their_replies(version: ssl.TLSVersion, port: int, tls: Certificates) -> None:
    value = bytes(range(256)) * 8192
    async with redis_connection(port, client_context(tls, version)) as (reader, writer):
        writer.write(command(b"PING"))
        assert await read_reply(reader) == b"+PONG"
        writer.write(command(b"SET", b"value", value))
        assert await read_reply(reader) == b"+OK"
        writer.write(command(b"GET", b"value"))
        assert await read_reply(reader) == value
        assert writer.get_extra_info("ssl_object").version() == {771: "TLSv1.2", 772: "TLSv1.3"}[version]


@each_version
async def test_pipelined_commands_return_their_replies_in_order(
    version: ssl.TLSVersion, port: int, tls: Certificates
) -> None:
    """The commands are written while the replies are read."""
    async with redis_connection(port, client_context(tls, version)) as (reader, writer):
        writer.write(command(b"DEL", b"counter"))
        assert (await read_reply(reader)).startswith(b":")

        async def send() -> None:
            for number in range(COMMANDS):
                writer.write(command(b"INCR", b"counter") if number % 2 else command(b"ECHO", b"%d" % number))
                await writer.drain()

        sending = asyncio.create_task(send())
        for number in range(COMMANDS):
            expected = b":%d" % (number // 2 + 1) if number % 2 else b"%d" % number
            assert await read_reply(reader) == expected
        await sending


async def test_pipelined_commands_in_one_write_return_their_replies_in_order(port: int, tls: Certificates) -> None:
    async with redis_connection(port, client_context(tls, ssl.TLSVersion.TLSv1_3)) as (reader, writer):
        writer.write(b"".join(command(b"ECHO", b"%d" % number) for number in range(COMMANDS)))
        for number in range(COMMANDS):
            assert await read_reply(reader) == b"%d" % number


@each_version
async def test_missing_client_certificate_raises_the_alert_with_the_port(
    version: ssl.TLSVersion, port: int, tls: Certificates
) -> None:
    """In TLS 1.2 the handshake raises, in TLS 1.3 the first read."""
    context = tls.new_client_context()
    context.minimum_version = context.maximum_version = version
    # Nothing is written: redis would reset because of unread data, and the reset might precede its alert.
    with pytest.raises(ssl.SSLError, match=rf"(?is)(handshake.failure|certificate.required).*\b{port}\b"):
        async with redis_connection(port, context) as (reader, _):
            await reader.readexactly(1)


async def test_quit_returns_its_reply_and_eof(port: int, tls: Certificates) -> None:
    """The connection ends after the reply to QUIT."""
    async with redis_connection(port, client_context(tls, ssl.TLSVersion.TLSv1_3)) as (reader, writer):
        writer.write(command(b"QUIT"))
        assert await read_reply(reader) == b"+OK"
        assert await reader.read() == b""
        assert reader.eof_reason in ("clean", "truncated")
