"""The fixed scenarios: what the driver sends, over how many connections, and how often."""

from __future__ import annotations

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. In each round, ``request`` is sent ``pipelined`` times on each connection, and is echoed.

    ``mode``: the handler of the server. ``short``: open new connections in each round. ``engine``: "epoll" or "loop".
    ``pure``: with the pure core.
    ``warm_up``: the number of rounds before the counted ``rounds``, because the interpreter specialises frequent code.
    ``layouts``: the number of measurements with different object addresses, of which the median is used.
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
    pure: bool = False
    layouts: int = 3

    @property
    def messages(self) -> int:
        """The number of messages of one round."""
        return self.connections * self.pipelined


LINE: Final = b"x" * 255 + b"\n"
SHORT_LINE: Final = b"x" * 31 + b"\n"
CRLF_LINE: Final = b"x" * 30 + b"\r\n"
SHORT_FRAME: Final = (60).to_bytes(4, "big") + b"x" * 60
FRAME: Final = (1024).to_bytes(4, "big") + b"x" * 1024
BLOCK: Final = b"x" * (256 << 10)

SCENARIOS: Final = (
    Scenario("lines-64", "lines", 64, LINE, rounds=20),
    Scenario("lines-1", "lines", 1, LINE, rounds=60, warm_up=60),
    Scenario("frames", "frames", 64, FRAME, rounds=20),
    Scenario("pipelined", "lines", 16, LINE, rounds=6, warm_up=3, pipelined=100),
    Scenario("readuntil", "readuntil", 16, CRLF_LINE, rounds=6, warm_up=3, pipelined=100),
    Scenario("stream-lines", "stream-lines", 16, SHORT_LINE, rounds=6, warm_up=3, pipelined=100),
    Scenario("stream-frames", "stream-frames", 16, SHORT_FRAME, rounds=6, warm_up=3, pipelined=100),
    Scenario("read-line", "read-line", 64, LINE, rounds=20),
    Scenario("timed-read-line", "timed-lines", 64, LINE, rounds=20),
    Scenario("blocks", "blocks", 8, BLOCK, rounds=40),
    Scenario("tls-lines", "lines", 64, LINE, rounds=20, tls=True),
    Scenario("tls-frames", "frames", 64, FRAME, rounds=20, tls=True),
    Scenario("connect", "connect", 16, LINE, rounds=40, short=True, layouts=5),
    Scenario("tls-connect", "connect", 16, LINE, rounds=20, tls=True, short=True),
    Scenario("touched", "touched", 64, LINE, rounds=20),
    Scenario("loop-lines-64", "lines", 64, LINE, rounds=20, engine="loop"),
    Scenario("loop-frames", "frames", 64, FRAME, rounds=20, engine="loop"),
    Scenario("loop-connect", "connect", 16, LINE, rounds=40, short=True, engine="loop", layouts=5),
    Scenario("pure-lines-64", "lines", 64, LINE, rounds=20, engine="loop", pure=True),
    Scenario("pure-frames", "frames", 64, FRAME, rounds=20, engine="loop", pure=True, layouts=1),
    Scenario("pure-connect", "connect", 16, LINE, rounds=40, short=True, engine="loop", pure=True, layouts=1),
)


def scenario_named(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)
