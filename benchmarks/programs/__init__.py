"""Real programs, measured before and after ``sluiceway.install()``: what each is called and what it needs.

The other files here are the programs themselves, and what drives them; they run as processes of their own.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Final

HERE: Final = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """``file`` is what is measured; ``packages`` are what it imports, ``tools`` the programs that it is driven with."""

    file: str
    packages: tuple[str, ...]
    tools: tuple[str, ...] = ()


PROGRAM_OF_MODE: Final = {
    "redis": Program("redis_client.py", ("redis", "hiredis"), ("redis-server",)),
    "hypercorn": Program("hypercorn_server.py", ("hypercorn",), ("wrk",)),
    "smtp": Program("smtp_server.py", ("aiosmtpd",)),
}
