"""redis-server with TLS on the other side, which demands a client's certificate; its own protocol, by hand.

tests/dropin/test_redis.py has its client library.
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

both_versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, tls: Certificates) -> Iterator[int]:
    demanding = ("tls-auth-clients yes", f"tls-ca-cert-file {tls.ca_file}")
    with start_redis_server(tmp_path_factory.mktemp("redis"), tls, *demanding) as (_, tls_port):
        yield tls_port


def own_context(tls: Certificates, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = tls.new_client_context()
    context.minimum_version = context.maximum_version = version
    tls.authority.issue_cert("client.example").configure_cert(context)
    return context


@contextlib.asynccontextmanager
async def opened(port: int, context: ssl.SSLContext) -> AsyncIterator[tuple[Any, Any]]:
    reader, writer = await sluiceway.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def answer(reader: Any) -> bytes:
    """Return the next answer: what is behind its sign, or the content of a bulk string."""
    line: bytes = (await reader.readuntil(b"\r\n")).removesuffix(b"\r\n")
    if line[:1] != b"$":
        return line
    bulk: bytes = await reader.readexactly(int(line[1:]) + 2)
    return bulk.removesuffix(b"\r\n")


@both_versions
async def test_ping_set_and_get(version: ssl.TLSVersion, port: int, tls: Certificates) -> None:
    value = bytes(range(256)) * 8192
    async with opened(port, own_context(tls, version)) as (reader, writer):
        writer.write(command(b"PING"))
        assert await answer(reader) == b"+PONG"
        writer.write(command(b"SET", b"value", value))
        assert await answer(reader) == b"+OK"
        writer.write(command(b"GET", b"value"))
        assert await answer(reader) == value
        assert writer.get_extra_info("ssl_object").version() == {771: "TLSv1.2", 772: "TLSv1.3"}[version]


@both_versions
async def test_pipelined(version: ssl.TLSVersion, port: int, tls: Certificates) -> None:
    """All commands are written before the first answer is read; each answer is its command's."""
    async with opened(port, own_context(tls, version)) as (reader, writer):
        writer.write(command(b"DEL", b"counter"))
        assert (await answer(reader)).startswith(b":")

        async def send() -> None:
            for number in range(COMMANDS):
                writer.write(command(b"INCR", b"counter") if number % 2 else command(b"ECHO", b"%d" % number))
                await writer.drain()

        sending = asyncio.create_task(send())
        for number in range(COMMANDS):
            expected = b":%d" % (number // 2 + 1) if number % 2 else b"%d" % number
            assert await answer(reader) == expected
        await sending


async def test_pipelined_in_one_write(port: int, tls: Certificates) -> None:
    async with opened(port, own_context(tls, ssl.TLSVersion.TLSv1_3)) as (reader, writer):
        writer.write(b"".join(command(b"ECHO", b"%d" % number) for number in range(COMMANDS)))
        for number in range(COMMANDS):
            assert await answer(reader) == b"%d" % number


@both_versions
async def test_it_refuses_who_has_no_certificate(version: ssl.TLSVersion, port: int, tls: Certificates) -> None:
    """In 1.2 the handshake fails, in 1.3 the first read; the error is TLS's and says whom."""
    context = tls.new_client_context()
    context.minimum_version = context.maximum_version = version
    # Nothing is written: redis would reset for what it has not read, and the reset might overtake its alert.
    with pytest.raises(ssl.SSLError, match=rf"(?is)(handshake.failure|certificate.required).*\b{port}\b"):
        async with opened(port, context) as (reader, _):
            await reader.readexactly(1)


async def test_it_quits(port: int, tls: Certificates) -> None:
    """QUIT: its answer is read, and then its end."""
    async with opened(port, own_context(tls, ssl.TLSVersion.TLSv1_3)) as (reader, writer):
        writer.write(command(b"QUIT"))
        assert await answer(reader) == b"+OK"
        assert await reader.read() == b""
        assert reader.eof_reason in ("clean", "truncated")
