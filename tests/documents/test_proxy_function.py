"""The function of docs/howto/connect-through-a-proxy.md reports what a proxy does wrong as ConnectionError."""

import asyncio
import pathlib
import re
from typing import Any

import pytest

import sluiceway

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "connect-through-a-proxy.md"


def open_through_http() -> Any:
    """Return the function of the page, without the program below it."""
    page = PAGE.read_text(encoding="utf-8")
    [program] = [
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def open_through_http" in block
    ]
    names: dict[str, Any] = {}
    exec(program.partition("async def main")[0], names)
    return names["open_through_http"]


async def connect_through(answer: bytes, host: str = "localhost") -> bytes:
    """Call the function with a proxy that gives this answer, and return the request that the proxy got."""
    requests = []

    async def proxy(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await sluiceway.start_server(proxy, "127.0.0.1", 0)
    async with server:
        _, writer = await open_through_http()(server.sockets[0].getsockname(), host, 443)
        writer.close()
        await writer.wait_closed()
    return requests[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "does not answer as an HTTP proxy: 0 bytes read"),
        (b"HTTP/1.1 200", "does not answer as an HTTP proxy: 12 bytes read"),
        (b"x" * 200_000, "does not answer as an HTTP proxy: "),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refuses localhost:443: HTTP/1.1 403 Forbidden"),
        (b"\r\n\r\n", "refuses localhost:443: "),
    ],
)
def test_unsuccessful_answer_raises_connection_error(answer: bytes, message: str) -> None:
    with pytest.raises(ConnectionError, match=re.escape(message)):
        asyncio.run(connect_through(answer))


def test_ipv6_address_has_brackets_in_request() -> None:
    request = asyncio.run(connect_through(b"HTTP/1.1 200 OK\r\n\r\n", host="2001:db8::1"))
    assert request == b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"
