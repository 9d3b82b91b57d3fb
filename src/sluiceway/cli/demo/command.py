"""The command ``sluiceway demo``: its arguments."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from types import FrameType

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

    report = Report(Console(), Console(stderr=True))
    sys.exit(asyncio.run(_until_signal(lambda: tour(report, QUICK if quick else FULL))))


async def _until_signal(work: Callable[[], Awaitable[int]]) -> int:
    """Return what ``work`` returns, or 128 plus the number of the signal (SIGTERM, SIGHUP) that cancelled it."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    received: list[int] = []

    def cancel(number: int, _frame: FrameType | None) -> None:
        # As after Ctrl-C, the temporary files are removed. An exception from here could leave a coroutine unawaited.
        received.append(number)
        loop.call_soon_threadsafe(task.cancel)

    numbers = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # nohup ignores SIGHUP.
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, cancel)
    try:
        return await work()
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
