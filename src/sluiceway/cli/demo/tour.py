"""Run all steps of the demonstration and the comparison, each with a time limit, and report the result."""

from __future__ import annotations

import asyncio
import functools
import platform
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sluiceway
from sluiceway.cli.demo import comparison
from sluiceway.cli.demo.certificate import make_identity
from sluiceway.cli.demo.report import CheckFailed, Report
from sluiceway.cli.demo.service import Resources
from sluiceway.cli.demo.steps import STEPS, Demo

_MIB = 1024 * 1024
# Seconds. A step takes about one second; one that hangs is reported.
_STEP_LIMIT = 60.0
# The path of a Unix socket, including its file name, is limited to 104 bytes on macOS and 108 on Linux.
_LONGEST_DIRECTORY = 60


@dataclass(frozen=True, slots=True)
class Work:
    """The amount of work of one run.

    Attributes:
        transfer_bytes: the number of bytes of the transfer step, for each kind of socket.
        comparison: the amount of work of the comparison with asyncio.
    """

    transfer_bytes: int
    comparison: comparison.Size


FULL = Work(64 * _MIB, comparison.Size(echoes=400, transfer_bytes=32 * _MIB, rounds=11))
QUICK = Work(2 * _MIB, comparison.Size(echoes=20, transfer_bytes=_MIB, rounds=1))


async def tour(report: Report, work: Work) -> int:
    """Run all steps and the comparison. Return 0 if none failed and the loop reported no error, else 1."""
    loop = asyncio.get_running_loop()
    unhandled: list[str] = []
    loop.set_exception_handler(lambda _loop, context: unhandled.append(_sentence(context)))
    report.say(f"sluiceway {sluiceway.__version__}, implementation: {sluiceway.IMPLEMENTATION}")
    report.say(f"{platform.python_implementation()} {platform.python_version()} on {type(loop).__name__}")
    with tempfile.TemporaryDirectory(prefix="sluiceway-", dir=_short_directory()) as directory:
        demo = Demo(Resources(Path(directory), make_identity()), report, work.transfer_bytes)
        for title, step in STEPS:
            await _within_limit(report, title, functools.partial(step, demo))
    compare = functools.partial(_compare, report, work.comparison)
    await _within_limit(report, "Comparison with asyncio's streams", compare)
    report.blank()
    for sentence in unhandled:
        report.failure("unhandled exception", sentence)
    if report.failed:
        report.say(f"Failed: {', '.join(report.failed)}.")
        return 1
    report.say("All checks passed.")
    return 0


async def _within_limit(report: Report, title: str, step: Callable[[], Awaitable[None]]) -> None:
    report.heading(title)
    try:
        async with asyncio.timeout(_STEP_LIMIT):
            await step()
    except CheckFailed as failed:
        report.failure(title, f"check failed: {failed}")
    except TimeoutError:
        report.failure(title, f"timed out after {_STEP_LIMIT:g} s; the machine may be busy")
    except Exception as error:  # noqa: BLE001 - a failed step is reported, and the others continue
        report.failure(title, f"{type(error).__name__}: {error}")


async def _compare(report: Report, size: comparison.Size) -> None:
    results = await comparison.compare(size)
    report.show(comparison.table(results))
    report.say(
        f"Medians of {size.rounds} alternating rounds: {comparison.CLIENTS} connections echo 256-byte lines, "
        f"one transfers {size.transfer_bytes // _MIB} MiB. The ratio is sluiceway / asyncio."
    )
    report.say("Client and server run in one process, and both are measured.")


def _sentence(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context['message']}: {error!r}" if error is not None else str(context["message"])


def _short_directory() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > _LONGEST_DIRECTORY else None
