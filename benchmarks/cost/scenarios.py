"""The fixed scenarios: what the driver sends, over how many connections, and how often."""

from __future__ import annotations

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """``request`` is sent on each connection in each round, ``pipelined`` times at once, and is answered by itself.

    ``mode`` chooses the server's handler. ``short`` makes new connections in each round. ``engine`` is "epoll" or
    "loop". ``warm_up`` rounds come before the ``rounds`` that are counted: the interpreter specialises code that ran
    often. ``layouts`` measurements differ in the addresses of objects, and their median counts.
    """

    name: str
    mode: str
    connections: int
    request: bytes
    rounds: int
    warm_up: int = 8
    pipelined: int = 1
    tls: bool = False
    short: bool = False
    engine: str = "epoll"
    layouts: int = 3

    @property
    def messages(self) -> int:
        """Those of one round."""
        return self.connections * self.pipelined


LINE: Final = b"x" * 255 + b"\n"
FRAME: Final = (1024).to_bytes(4, "big") + b"x" * 1024
BLOCK: Final = b"x" * (256 << 10)

SCENARIOS: Final = (
    Scenario("lines-64", "lines", 64, LINE, rounds=20),
    Scenario("lines-1", "lines", 1, LINE, rounds=60, warm_up=60),
    Scenario("frames", "frames", 64, FRAME, rounds=20),
    Scenario("pipelined", "lines", 16, LINE, rounds=6, warm_up=3, pipelined=100),
    Scenario("blocks", "blocks", 8, BLOCK, rounds=40),
    Scenario("tls-lines", "lines", 64, LINE, rounds=20, tls=True),
    Scenario("connect", "connect", 16, LINE, rounds=40, short=True, layouts=5),
    Scenario("loop-lines-64", "lines", 64, LINE, rounds=20, engine="loop"),
)


def scenario_named(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)
