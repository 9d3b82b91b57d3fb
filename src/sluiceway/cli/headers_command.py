"""The command ``sluiceway headers``: its arguments and its output."""

from __future__ import annotations

import asyncio
import math
import re
import ssl
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import click

from sluiceway.cli.bad_argument import BadArgument
from sluiceway.cli.client_certificate import load_client_certificate
from sluiceway.cli.headers import Outcome, fetch_all
from sluiceway.cli.lookups import AbandonableExecutor
from sluiceway.cli.target import BadURLError, Target, parse

# The user name and the password of a URL, which must not be printed.
_PASSWORD = re.compile(r"//[^/?#]*@")


def _seconds(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise BadArgument(f"--timeout {value:g}: the number of seconds must be finite and greater than 0")
    return value


@click.command()
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=float,
    default=10.0,
    show_default=True,
    callback=_seconds,
    help="Time limit of each URL, for the connection, TLS and the whole header.",
)
@click.option(
    "--cafile",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="PEM file of further certificate authorities to trust.",
)
@click.option(
    "--cert",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="PEM file of a client certificate, for https servers that require one. Intermediate certificates follow it.",
)
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="PEM file of the certificate's private key, without a passphrase. By default the file of --cert has the key.",
)
def headers(urls: tuple[str, ...], timeout: float, cafile: Path | None, cert: Path | None, key: Path | None) -> None:
    """Print the response headers of each URL.

    A URL is http://HOST[:PORT][/PATH], https://HOST[:PORT][/PATH], or unix:/PATH/TO.SOCK for a server on a Unix
    socket. unix:@NAME is an abstract name. For a Unix socket, ?path=/x requests another path than /, and &host=NAME
    sends another Host header than localhost.

    Up to 64 requests are sent at the same time. The output has the order of the arguments. The exit status is 0 if all
    requests succeeded, 1 if one failed, and 2 for wrong arguments.
    """
    # Before the first connection is opened.
    targets = [_target(url) for url in urls]
    context = _context(cafile)
    if cert is not None:
        load_client_certificate(context, cert, key)
    elif key is not None:
        raise BadArgument(f"--key {key}: there is no certificate for it; pass the certificate with --cert FILE")
    sys.exit(asyncio.run(_ask(targets, timeout, context)))


def _target(url: str) -> Target:
    try:
        return parse(url)
    except BadURLError as error:
        shown = _PASSWORD.sub("//...@", url)
        raise BadArgument(f"{shown!r}: bad URL: {error}") from None


def _context(cafile: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if cafile is None:
        return context
    try:
        context.load_verify_locations(cafile)
    except ssl.SSLError:
        raise BadArgument(f"--cafile {cafile}: the file contains no certificate in PEM format") from None
    except OSError as error:
        raise BadArgument(f"--cafile {cafile}: {error.strerror}") from None
    return context


async def _ask(targets: Sequence[Target], timeout: float, context: ssl.SSLContext) -> int:
    asyncio.get_running_loop().set_default_executor(AbandonableExecutor())
    status = 0
    async with aclosing(fetch_all(targets, timeout=timeout, context=context)) as outcomes:
        async for outcome in outcomes:
            _show(outcome, heading=len(targets) > 1)
            if outcome.failure is not None:
                status = 1
    return status


def _show(outcome: Outcome, *, heading: bool) -> None:
    if heading:
        click.echo(f"{outcome.target.url}")
    for line in outcome.lines:
        click.echo(f"HTTP header> {line}")
    if outcome.failure is not None:
        click.echo(f"sluiceway: {outcome.target.url}: {outcome.failure}", err=True)
