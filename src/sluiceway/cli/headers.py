"""Send HEAD requests over TCP, TLS and Unix sockets, several at once, and return the headers of the responses.

The example "Get HTTP headers" in asyncio's documentation does the same, but does not describe the failures.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import sluiceway
from sluiceway.cli.failures import Stage, describe
from sluiceway.cli.response import LINE_LIMIT, read_head
from sluiceway.cli.target import Target

# Simultaneous requests. The lowest usual limit on open files is 256.
_AT_ONCE = 64
# Seconds to close a connection after its headers were received.
_CLOSE_TIMEOUT = 1.0
# Seconds between the connection attempts to the addresses of a name (RFC 8305).
_HAPPY_EYEBALLS = 0.25


@dataclass(slots=True)
class Outcome:
    """The result of one request.

    Attributes:
        target: the URL.
        lines: the received lines, starting with the status line. After a failure, the lines received before the
            failure.
        failure: one line that describes the failure and what to do; None if the request succeeded.
    """

    target: Target
    lines: list[str] = field(default_factory=list)
    failure: str | None = None


async def fetch_all(
    targets: Sequence[Target], *, timeout: float, context: ssl.SSLContext
) -> AsyncGenerator[Outcome, None]:
    """Send all requests, at most 64 at the same time, and yield their outcomes in the order of ``targets``.

    If the iteration ends early, the remaining requests are cancelled.

    Args:
        targets: the URLs.
        timeout: the seconds that each request may take, until its last header line is received.
        context: the TLS context of https requests.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(target: Target) -> Outcome:
        async with places:
            return await fetch(target, timeout=timeout, context=context)

    tasks = [asyncio.create_task(one(target), name=f"headers {target.url}") for target in targets]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def fetch(target: Target, *, timeout: float, context: ssl.SSLContext) -> Outcome:
    """Send one request and return its outcome, with the failure, if any. ``timeout``: in seconds.

    Only a cancellation is raised.
    """
    outcome = Outcome(target)
    stage = Stage.CONNECTING
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await _connect(target, timeout, context)
            stage = Stage.ANSWERING
            complete = False
            try:
                writer.write(_request(target))
                await read_head(reader, outcome.lines)
                complete = True
            finally:
                # The time limit may have expired, so a failed connection is aborted instead of closed.
                if not complete:
                    writer.transport.abort()
        await _leave(writer)
    except Exception as error:  # noqa: BLE001 - reported in one line, and the other requests continue
        outcome.failure = describe(error, target, stage, timeout)
    return outcome


async def _connect(
    target: Target, timeout: float, context: ssl.SSLContext
) -> tuple[sluiceway.StreamReader, sluiceway.StreamWriter]:
    if target.unix_path is not None:
        return await sluiceway.open_unix_connection(target.unix_path, limit=LINE_LIMIT)
    if not target.tls:
        return await sluiceway.open_connection(
            target.host, target.port, limit=LINE_LIMIT, happy_eyeballs_delay=_HAPPY_EYEBALLS, all_errors=True
        )
    return await sluiceway.open_connection(
        target.host,
        target.port,
        limit=LINE_LIMIT,
        happy_eyeballs_delay=_HAPPY_EYEBALLS,
        all_errors=True,
        ssl=context,
        # Longer than the time limit of the request, whose error names the option --timeout.
        ssl_handshake_timeout=timeout + 60.0,
        ssl_shutdown_timeout=_CLOSE_TIMEOUT,
    )


def _request(target: Target) -> bytes:
    return (
        f"HEAD {target.request_target} HTTP/1.1\r\n"
        f"Host: {target.host_header}\r\n"
        f"User-Agent: sluiceway/{sluiceway.__version__}\r\n"
        "Accept: */*\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode("ascii")


async def _leave(writer: sluiceway.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()
    except OSError:
        # The headers are complete, so an error of the close does not matter.
        pass
