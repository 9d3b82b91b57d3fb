"""Real programs, measured with and without ``sluiceway.install()``: the name and the requirements of each.

The other files are the programs and their peers, which run as separate processes.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Final

HERE: Final = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """``file``: the measured program. ``packages``: its imported packages. ``tools``: the programs that drive it."""

    file: str
    packages: tuple[str, ...]
    tools: tuple[str, ...] = ()


PROGRAM_OF_MODE: Final = {
    "redis": Program("redis_client.py", ("redis", "hiredis"), ("redis-server",)),
    "hypercorn": Program("hypercorn_server.py", ("hypercorn",), ("wrk",)),
    "smtp": Program("smtp_server.py", ("aiosmtpd",)),
}
