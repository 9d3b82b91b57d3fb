"""A fake resolver: the loop's getaddrinfo() returns addresses from a table."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any


def address_info(host: str, port: int) -> tuple[Any, ...]:
    """Return the result of getaddrinfo() for one address."""
    if ":" in host:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


@contextlib.contextmanager
def fake_resolver(names: dict[str, list[tuple[str, int]]]) -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    """Resolve ``names`` to their addresses, in order, on the running loop; other names go to the real resolver.

    Yield the list of calls: ((host, port), keywords) of each.
    """
    loop: Any = asyncio.get_running_loop()
    original = loop.getaddrinfo
    calls = []

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> list[Any]:
        calls.append(((host, port), options))
        if host in names:
            return [address_info(*address) for address in names[host]]
        result: list[Any] = await original(host, port, **options)
        return result

    loop.getaddrinfo = getaddrinfo
    try:
        yield calls
    finally:
        del loop.getaddrinfo
