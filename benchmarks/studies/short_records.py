"""What does a TLS record of one byte cost, which a peer can send as many of as it likes?

A server receives data after the handshake, or a ClientHello, in records of one byte each.
"""

from __future__ import annotations

import functools
import pathlib
import sys
from typing import Final

from benchmarks import certificates
from benchmarks.measure import relative
from benchmarks.studies import Column, Goal, Row, Study
from benchmarks.studies.growth import measured
from benchmarks.studies.write_growth import CONTENDERS

RECORDS: Final = 100_000
LITTLE: Final = 10_000  # with --quick
WHAT: Final = ("data", "hello")

WORKER: Final = pathlib.Path(__file__).resolve().with_name("short_records_worker.py")


def command(contender: str, what: str, records: int) -> list[str]:
    identity = certificates.identity()
    files = map(str, (identity.certificate, identity.key, identity.authority))
    options = ["--streams", CONTENDERS[contender][0], "--what", what, "--records", str(records)]
    return [sys.executable, str(WORKER), *options, "--tls", *files]


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    made = []
    for contender, (_, variables) in CONTENDERS.items():
        for what in WHAT:
            line = command(contender, what, LITTLE if quick else RECORDS)
            made.append(
                Row(
                    f"{contender} at {what}",
                    functools.partial(measured, line, variables),
                    (*(f"{key}={value}" for key, value in variables.items()), *map(relative, line)),
                )
            )
    return made, {}


STUDY: Final = Study(
    "tls-short-records",
    "TLS records of one byte, data and ClientHello",
    rows,
    (Column("ns_per_record", "CPU ns/record", ",.0f"),),
    tuple(Goal(f"{ours} at data", "ns_per_record", 1.0, "asyncio at data") for ours in CONTENDERS if ours != "asyncio"),
    rounds=9,
    quick_rounds=3,
    contenders=tuple(CONTENDERS),
    compared="ns_per_record",
)
