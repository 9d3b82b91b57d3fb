"""Read the output of valgrind: the instructions in callgrind's file, and the system calls in the log."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable

from benchmarks.cost.lockstep import FailedError

# The line at the start of a call. A blocking call has a second line, without a name.
CALL = re.compile(r"SYSCALL\[\d+,\d+\]\( *\d+\) (?:sys_)?(\w+) ?\(")


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """The costs of one message."""

    instructions: float
    calls: float


def instructions_of(profile: Iterable[str]) -> int:
    """Return the total number of instructions."""
    for line in profile:
        if line.startswith("totals:"):
            return int(line.partition(":")[2])
    raise FailedError("callgrind's file has no line with totals; was the server killed?")


def calls_of(log: Iterable[str]) -> Counter[str]:
    """Return the numbers of system calls between the marks of gate.c, by name."""
    counted: Counter[str] = Counter()
    counting = marked = False
    for line in log:
        if "cost: opened" in line:
            counting = marked = True
        elif "cost: closed" in line:
            counting = False
        elif counting and (call := CALL.match(line)):
            counted[call[1]] += 1
    if not marked:
        raise FailedError("valgrind's log has no mark of gate.c; was it loaded?")
    return counted
