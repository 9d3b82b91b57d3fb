"""The scenarios: the exchanged data, the unit of the figures, and the targets of sluiceway.

A scenario is data. The load generator and the servers implement its mode.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

SEED: Final = 20_140_316  # the release of Python 3.4, the first version with asyncio's streams
LINE: Final = 256
KIB: Final = 1024
MIB: Final = 1024 * KIB

Unit = Literal["message", "megabyte", "connection", "operation", "request", "mail"]


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The target that ``figure`` of ``contender`` is at most ``at_most`` times that of ``other``, in the same rounds.

    With ``unless_beyond``, the target is missed only if the whole interval of the ratio is above it.
    """

    other: str
    at_most: float
    figure: Literal["cpu", "p50"] = "cpu"
    contender: str = "sluiceway"
    unless_beyond: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. ``size``: bytes of one record. ``batch``: records sent at once. ``unit``: the unit of CPU figures.

    With the side "program", the mode is the name of a program in programs/, with and without ``sluiceway.install()``.
    ``tls``: whether TLS is used, and whether sessions are resumed after the first handshake. ``numbers``: if not empty,
    the numbers of connections of each contender, measured in the same rounds. ``contenders``: if not empty, the default
    contenders of the scenario.
    """

    name: str
    title: str
    mode: str
    size: int
    connections: int
    unit: Unit = "message"
    batch: int = 1
    side: Literal["server", "client", "program"] = "server"
    tls: Literal["full", "resumed"] | None = None
    targets: tuple[Target, ...] = ()
    numbers: tuple[int, ...] = ()
    contenders: tuple[str, ...] = ()

    def at(self, connections: int) -> Scenario:
        return dataclasses.replace(self, connections=connections, numbers=())


def _cpu(**at_most: float) -> tuple[Target, ...]:
    return tuple(Target(other.replace("_", "-"), ratio) for other, ratio in at_most.items())


def _not_slower() -> tuple[Target, ...]:
    """Return the targets of every scenario: sluiceway on uvloop <= on asyncio, and pure <= asyncio's streams."""
    return (
        Target("sluiceway", 1.0, contender="sluiceway-uvloop", unless_beyond=True),
        Target("asyncio", 1.0, contender="sluiceway-pure", unless_beyond=True),
    )


def _in_program(at_most: float) -> tuple[Target, ...]:
    """Return the targets of a program: ``at_most`` on asyncio, and no more CPU than without it on uvloop and pure."""
    return (
        Target("asyncio", at_most),
        Target("uvloop", 1.0, contender="sluiceway-uvloop", unless_beyond=True),
        *_not_slower(),
    )


IN_PROGRAMS: Final = (
    "asyncio",
    "uvloop",
    "aiofastnet",
    "sluiceway",
    "sluiceway-uvloop",
    "sluiceway-pure",
    "sluiceway-pure-uvloop",
)

IN_TLS: Final = (
    "go",
    "asyncio",
    "uvloop",
    "aiofastnet",
    "aiofastnet-uvloop",
    "aiofastnet-protocols",
    "aiofastnet-protocols-uvloop",
    "sluiceway",
    "sluiceway-uvloop",
    "sluiceway-aiofastnet",
    "sluiceway-pure",
    "sluiceway-pure-uvloop",
)


# The ratio of lines per CPU second is the inverse of the ratio of CPU per line.
SCENARIOS: Final = (
    Scenario(
        "lines-64",
        "256-byte lines by readline, write, drain; 64 connections",
        "lines",
        LINE,
        64,
        targets=(
            *_cpu(c=1.35, go=1.0, asyncio=0.53, uvloop=0.62, rsloop=0.80, zuvloop=0.80, aiofastnet_protocols=1.05),
            Target("asyncio", 0.70, contender="sluiceway-loop"),
            *_not_slower(),
        ),
    ),
    Scenario(
        "lines-1000",
        "256-byte lines by readline, write, drain; 1,000 connections",
        "lines",
        LINE,
        1000,
        targets=(*_cpu(c=1.45, go=1.0, asyncio=0.48), *_not_slower()),
    ),
    Scenario(
        "pingpong",
        "1 KiB by readexactly and back, one connection",
        "records",
        KIB,
        1,
        targets=(
            *_cpu(asyncio=0.80, rsloop=0.95, uvloop_protocols=1.10),
            Target("asyncio", 0.95, contender="sluiceway-loop"),
            Target("asyncio", 1.0, "p50"),
            Target("uvloop-protocols", 1.0, "p50"),
            Target("aiofastnet-protocols", 1.0, "p50"),
            Target("c", 1.1, "p50"),
            *_not_slower(),
        ),
    ),
    Scenario(
        "pipelined",
        "100 lines of 32 bytes at a time, each answered by write and drain; 16 connections",
        "lines",
        32,
        16,
        batch=100,
        targets=(*_cpu(asyncio=0.11, uvloop=0.11, go=1 / 6), *_not_slower()),
    ),
    Scenario(
        "frames",
        "readexactly(4), readexactly(1 KiB), two writes and a drain; 64 connections",
        "frames",
        KIB,
        64,
        targets=(
            *_cpu(c=1.40, go=1.0, asyncio=0.43, uvloop=0.52, aiofastnet_protocols=1.05),
            Target("asyncio", 0.65, contender="sluiceway-loop"),
            *_not_slower(),
        ),
    ),
    Scenario(
        "blocks",
        "256 KiB by readexactly, answered by one byte; 8 connections",
        "blocks",
        256 * KIB,
        8,
        "megabyte",
        targets=(*_cpu(asyncio=0.75, aiofastnet_protocols=1.0), *_not_slower()),
    ),
    # One connection: with more, the data in the sockets exceeds the CPU cache, and the results are random.
    Scenario(
        "sink",
        "one way in, by read(64 KiB); one connection",
        "sink",
        64 * KIB,
        1,
        "megabyte",
        targets=(*_cpu(c=1.1, asyncio=0.6), *_not_slower()),
    ),
    Scenario(
        "source",
        "one way out, by writes of 64 KiB and drain; one connection",
        "source",
        64 * KIB,
        1,
        "megabyte",
        targets=(*_cpu(c=1.1, asyncio=0.6), *_not_slower()),
    ),
    Scenario(
        "connect",
        "connect, one line, close; 64 at a time",
        "connect",
        LINE,
        64,
        "connection",
        targets=(*_cpu(asyncio=0.55, uvloop=1.0), *_not_slower()),
    ),
    Scenario(
        "client",
        "256-byte lines sent and awaited by 64 tasks of open_connection; the client's CPU",
        "lines",
        LINE,
        64,
        side="client",
        targets=(*_cpu(asyncio=0.6), *_not_slower()),
    ),
    Scenario(
        "scaling",
        "256-byte lines by readline, write, drain; 1 to 10,000 connections",
        "lines",
        LINE,
        100,
        numbers=(1, 10, 100, 1000, 10_000),
        contenders=("c", "go", "asyncio", "sluiceway"),
        targets=tuple(
            Target("sluiceway at 100", 1.3, contender=f"sluiceway at {number}") for number in (1, 10, 1000, 10_000)
        ),
    ),
    Scenario(
        "tls-lines",
        "1 KiB lines by readline, write, drain; 64 connections with TLS 1.3",
        "lines",
        KIB,
        64,
        tls="full",
        targets=(
            *_cpu(asyncio=0.40, uvloop=0.72, aiofastnet_protocols=1.12, go=1.45),
            *_not_slower(),
        ),
        contenders=IN_TLS,
    ),
    # A sink responds after end of file, which TLS does not allow: asyncio cannot write after it.
    Scenario(
        "tls-sink",
        "16 MiB in by readexactly, answered by one byte; one connection with TLS 1.3",
        "blocks",
        16 * MIB,
        1,
        "megabyte",
        tls="full",
        targets=(*_cpu(asyncio=0.75, go=1.1), *_not_slower()),
        contenders=IN_TLS,
    ),
    Scenario(
        "tls-source",
        "one way out, by writes of 16 MiB and drain; one connection with TLS 1.3",
        "source",
        16 * MIB,
        1,
        "megabyte",
        tls="full",
        targets=(*_cpu(asyncio=0.75, go=1.1), *_not_slower()),
        contenders=IN_TLS,
    ),
    Scenario(
        "tls-handshakes",
        "connect, TLS 1.3 with ECDSA P-256, one line, close; 64 at a time",
        "connect",
        LINE,
        64,
        "connection",
        tls="full",
        targets=(*_cpu(asyncio=0.80), *_not_slower()),
        contenders=IN_TLS,
    ),
    Scenario(
        "tls-resumed",
        "connect, TLS 1.3 with a session resumed, one line, close; 64 at a time",
        "connect",
        LINE,
        64,
        "connection",
        tls="resumed",
        targets=(*_cpu(asyncio=1 / 1.3), *_not_slower()),
        contenders=IN_TLS,
    ),
    Scenario(
        "redis",
        "redis.asyncio with hiredis, 64 tasks of SET and GET; the client's CPU",
        "redis",
        100,
        64,
        "operation",
        side="program",
        targets=_in_program(0.65),
        contenders=IN_PROGRAMS,
    ),
    Scenario(
        "redis-1",
        "redis.asyncio with hiredis, SET and GET one after the other; the client's CPU",
        "redis",
        100,
        1,
        "operation",
        side="program",
        targets=_in_program(0.85),
        contenders=IN_PROGRAMS,
    ),
    Scenario(
        "hypercorn",
        "hypercorn, plain text, 64 connections of wrk",
        "hypercorn",
        13,
        64,
        "request",
        side="program",
        targets=_in_program(0.93),
        contenders=IN_PROGRAMS,
    ),
    Scenario(
        "smtp",
        "aiosmtpd taking 1,000 mails of 4 KiB, ten over each connection, 8 connections at a time",
        "smtp",
        4 * KIB,
        8,
        "mail",
        side="program",
        targets=_in_program(0.97),
        contenders=IN_PROGRAMS,
    ),
)


def scenario_named(name: str) -> Scenario:
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise KeyError(name)
