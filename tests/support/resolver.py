"""Names that only a test knows: a loop whose resolver answers from a table."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any


def info(host: str, port: int) -> tuple[Any, ...]:
    """Return what getaddrinfo answers for one address."""
    if ":" in host:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


@contextlib.contextmanager
def resolving(names: dict[str, list[tuple[str, int]]]) -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    """Let the running loop know ``names``, each with its addresses in order; the rest goes to the real resolver.

    The list given has (host and port, keywords) of every question.
    """
    loop: Any = asyncio.get_running_loop()
    real = loop.getaddrinfo
    asked = []

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> list[Any]:
        asked.append(((host, port), options))
        if host in names:
            return [info(*address) for address in names[host]]
        found: list[Any] = await real(host, port, **options)
        return found

    loop.getaddrinfo = getaddrinfo
    try:
        yield asked
    finally:
        del loop.getaddrinfo
