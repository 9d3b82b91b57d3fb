"""The whole demonstration: one step after the other, each within its time, then the verdict."""

from __future__ import annotations

import asyncio
import platform
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sluiceway
from sluiceway.cli.demo import comparison
from sluiceway.cli.demo.certificate import make_identity
from sluiceway.cli.demo.report import CheckFailed, Report
from sluiceway.cli.demo.service import Place
from sluiceway.cli.demo.steps import STEPS, Demo

_MIB = 1024 * 1024
# Seconds; a step takes about one. What hangs must end with a sentence.
_STEP_LIMIT = 60.0
# A Unix socket's path has 104 bytes on macOS and 108 on Linux, the socket's own name included.
_LONGEST_DIRECTORY = 60


@dataclass(frozen=True, slots=True)
class Work:
    """How much to do: bytes of the transfer, and the comparison's share."""

    transfer_bytes: int
    comparison: comparison.Size


FULL = Work(64 * _MIB, comparison.Size(echoes=400, transfer_bytes=32 * _MIB, rounds=11))
QUICK = Work(2 * _MIB, comparison.Size(echoes=20, transfer_bytes=_MIB, rounds=1))


async def tour(report: Report, work: Work) -> int:
    """Run all steps and return the exit status: 0 when every check held and nothing went unhandled, else 1."""
    loop = asyncio.get_running_loop()
    unhandled: list[str] = []
    loop.set_exception_handler(lambda _loop, context: unhandled.append(_sentence(context)))
    report.say(f"sluiceway {sluiceway.__version__}, implementation: {sluiceway.IMPLEMENTATION}")
    report.say(f"{platform.python_implementation()} {platform.python_version()} on {type(loop).__name__}")
    with tempfile.TemporaryDirectory(prefix="sluiceway-", dir=_short_directory()) as directory:
        demo = Demo(Place(Path(directory), make_identity()), report, work.transfer_bytes)
        for title, step in STEPS:
            await _within_limit(report, title, step(demo))
    await _within_limit(report, "Side by side with asyncio's streams", _compare(report, work.comparison))
    report.blank()
    for sentence in unhandled:
        report.failure("an exception that nobody handled", sentence)
    if report.failed:
        report.say(f"Failed: {', '.join(report.failed)}.")
        return 1
    report.say("All checks held.")
    return 0


async def _within_limit(report: Report, title: str, step: Awaitable[None]) -> None:
    report.heading(title)
    try:
        async with asyncio.timeout(_STEP_LIMIT):
            await step
    except CheckFailed as failed:
        report.failure(title, f"this does not hold: {failed}")
    except TimeoutError:
        report.failure(title, f"not done after {_STEP_LIMIT:g} s")
    except Exception as error:  # noqa: BLE001 - a step that fails is a line and an exit status, and the others go on
        report.failure(title, f"{type(error).__name__}: {error}")


async def _compare(report: Report, size: comparison.Size) -> None:
    results = await comparison.compare(size)
    report.show(comparison.table(results))
    report.say(
        f"Medians of {size.rounds} rounds in turns: {comparison.CLIENTS} connections echoing lines, "
        f"one transferring {size.transfer_bytes // _MIB} MiB."
    )
    report.say("Client and server run in this one process and both are counted.")


def _sentence(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context['message']}: {error!r}" if error is not None else str(context["message"])


def _short_directory() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > _LONGEST_DIRECTORY else None
