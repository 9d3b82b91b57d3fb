"""The command ``sluiceway demo``: its arguments."""

from __future__ import annotations

import asyncio
import signal
import sys

import click


@click.command()
@click.option("--quick", is_flag=True, hidden=True, help="Do less work, for tests of the demonstration.")
def demo(quick: bool) -> None:
    """Demonstrate the streams on the loopback interface.

    The demonstration starts servers on TCP, TLS and a Unix socket, exchanges data with them, checks every byte, and
    compares the speed of asyncio's streams and sluiceway's. It needs no network. The exit status is 0 if all checks
    passed, else 1.
    """
    # Imported here so that the other commands do not need rich and trustme.
    from rich.console import Console

    from sluiceway.cli.demo.report import Report
    from sluiceway.cli.demo.tour import FULL, QUICK, tour

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup ignores SIGHUP.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            # As after Ctrl-C, the temporary files are removed.
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    report = Report(Console(), Console(stderr=True))
    sys.exit(asyncio.run(tour(report, QUICK if quick else FULL)))
