"""The instructions of one message by function and by shared object, for the targets that are missed."""

from __future__ import annotations

import pathlib
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from typing import Final

from benchmarks.cost.callgrind import measured_files
from benchmarks.cost.counts import instructions_of
from benchmarks.cost.lockstep import FailedError
from benchmarks.cost.package import Package
from benchmarks.cost.scenarios import Scenario

# A line of callgrind_annotate: the instructions, the share, the source file, the function, and the object.
FUNCTION: Final = re.compile(r" *([\d,]+) +(?:\( *[\d.]+%\) +)?[^:]*:(\S.*?)(?: \[([^\]]*)\])?$")
SHOWN: Final = 12  # rows of each table, before the row for the rest


def functions_of(annotated: Iterable[str]) -> Counter[tuple[str, str]]:
    """Return the instructions of each function without those that it calls, by name and object file."""
    matches = [match for line in annotated if (match := FUNCTION.match(line))]
    # The lines of inlined code name no object. The function in which it was inlined has a line with one.
    objects = {match[2]: match[3] for match in matches if match[3]}
    found: Counter[tuple[str, str]] = Counter()
    for match in matches:
        # The clones of a function, such as name'2 in a recursion and name.cold, belong together.
        name = re.sub(r"'\d+$|\.(?:cold|part|isra|constprop|lto_priv)\b[.\d]*", "", match[2])
        file = pathlib.PurePath(match[3] or objects.get(match[2], "unknown")).name.partition(".cpython-")[0]
        found[name, file] += int(match[1].replace(",", ""))
    return found


def measured(package: Package, scenario: Scenario) -> Counter[tuple[str, str]]:
    with measured_files(package, scenario, 0) as (profile, _):
        command = ["callgrind_annotate", "--threshold=100", "--auto=no", str(profile)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FailedError(f"callgrind_annotate: {done.stderr.strip()}")
        functions = functions_of(done.stdout.splitlines())
        with profile.open() as lines:
            total = instructions_of(lines)
    if not 0.99 * total <= functions.total() <= 1.01 * total:
        raise FailedError(f"callgrind_annotate printed {functions.total():,} of {total:,} instructions")
    return functions


def table(counts: Counter[str], messages: int) -> list[str]:
    """Return the lines of a table: the SHOWN greatest counts per message, and their rest."""
    whole = counts.total()
    shown = counts.most_common(SHOWN)
    rest = whole - sum(count for _, count in shown)
    if rest:
        shown.append((f"{len(counts) - SHOWN} others", rest))
    lines = ["| instructions | share | where |", "|-------------:|------:|-------|"]
    return [*lines, *(f"| {count / messages:12,.0f} | {count / whole:5.0%} | {name} |" for name, count in shown)]


def render(package: Package, scenario: Scenario) -> str:
    """Measure one layout, and return a table of the shared objects and one of the functions."""
    functions = measured(package, scenario)
    messages = scenario.rounds * scenario.messages
    objects: Counter[str] = Counter()
    for (_, file), count in functions.items():
        objects[file] += count
    named = Counter({f"`{name}` ({file})": count for (name, file), count in functions.items()})
    whole = functions.total() / messages
    return "\n".join(
        [
            f"## {scenario.name}, {package.name}: {whole:,.0f} instructions for each message",
            "",
            *table(objects, messages),
            "",
            *table(named, messages),
            "",
        ]
    )
