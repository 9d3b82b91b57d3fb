"""What valgrind wrote: the instructions in callgrind's file, the system calls in the log."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable

from benchmarks.cost.lockstep import FailedError

# The line that begins a call; one that blocks ends in another line, which has no name.
CALL = re.compile(r"SYSCALL\[\d+,\d+\]\( *\d+\) (?:sys_)?(\w+) ?\(")


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """Per message."""

    instructions: float
    calls: float


def instructions_of(profile: Iterable[str]) -> int:
    """The instructions that callgrind collected in all."""
    for line in profile:
        if line.startswith("totals:"):
            return int(line.partition(":")[2])
    raise FailedError("callgrind's file has no line with totals; was the server killed?")


def calls_of(log: Iterable[str]) -> Counter[str]:
    """The system calls between the marks of gate.c, by name."""
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
