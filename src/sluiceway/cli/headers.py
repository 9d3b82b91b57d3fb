"""Ask servers for their headers: a HEAD request over TCP, TLS or a Unix socket, several at once.

This is the example of asyncio's documentation, grown up: the same connection, the same lines, and an answer for
whatever goes wrong. Nothing is printed here.
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

# Requests under way at once: far below the 256 descriptors that the smallest usual limit allows.
_AT_ONCE = 64
# Seconds granted to the farewell of a connection that has served; its headers are here already.
_FAREWELL = 1.0
# Seconds between the attempts at the addresses of a name (RFC 8305).
_HAPPY_EYEBALLS = 0.25


@dataclass(slots=True)
class Outcome:
    """What became of one URL.

    Attributes:
        target: the URL.
        lines: the header lines read, the status line first; all of them, or those before the failure.
        failure: one line that says what went wrong and what to do, None when all is well.
    """

    target: Target
    lines: list[str] = field(default_factory=list)
    failure: str | None = None


async def fetch_all(
    targets: Sequence[Target], *, timeout: float, context: ssl.SSLContext
) -> AsyncGenerator[Outcome, None]:
    """Ask all targets at once and yield their outcomes in the order given.

    Args:
        targets: whom to ask.
        timeout: seconds for each, from its first step to its last header.
        context: TLS settings for the https ones.
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
    """Ask one target; whatever goes wrong stands in the outcome."""
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
                # Within the time allowed only when it is aborted, which takes no time.
                if not complete:
                    writer.transport.abort()
        await _leave(writer)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets a line and the other URLs go on
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
        # Longer than our own deadline, which names its stage and its option.
        ssl_handshake_timeout=timeout + 60.0,
        ssl_shutdown_timeout=_FAREWELL,
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
        async with asyncio.timeout(_FAREWELL):
            await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()
    except OSError:
        # The headers are complete; how the peer takes its leave is its own affair.
        pass
