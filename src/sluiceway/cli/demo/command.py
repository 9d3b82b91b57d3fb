"""``sluiceway demo``: the arguments."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.console import Console

from sluiceway.cli.demo.report import Report


@click.command()
@click.option("--quick", is_flag=True, hidden=True, help="Less work: for the tests of the demonstration itself.")
def demo(quick: bool) -> None:
    """Show the streams at work, on loopback.

    Starts servers on TCP, TLS and a Unix socket, talks to them, checks every byte, and measures asyncio's streams
    and sluiceway's side by side. Needs no network. Exit status: 0 when every check held, 1 otherwise.
    """
    # Here, so that the other commands do without trustme.
    from sluiceway.cli.demo.tour import FULL, QUICK, tour

    report = Report(Console(), Console(stderr=True))
    sys.exit(asyncio.run(tour(report, QUICK if quick else FULL)))
