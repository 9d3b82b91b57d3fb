"""Compiled code does not return a computed value from an ``except`` clause.

For ``return`` in an ``except`` clause, Cython releases the traceback of the exception without a check. There is none if
the memory for it was not available, and the interpreter crashes. A clause that contains only ``return`` with a literal
is exempt, because Cython does not store its exception.
"""

import re

import pytest

from architecture.cython_facts import Stripped
from support.package import package_directory

_EXCEPT = re.compile(r"except\b.*:")
_LITERAL = re.compile(r"return(?: (?:True|False|None|-?\d+))?")


def violations(text: str) -> list[int]:
    """Return the lines of the ``return`` statements that violate the rule."""
    found: list[int] = []
    clauses: list[tuple[int, str]] = []
    previous = ""
    for number, line in enumerate(Stripped(text).text.split("\n"), 1):
        statement = line.strip()
        if not statement:
            continue
        indent = len(line) - len(line.lstrip())
        while clauses and indent <= clauses[-1][0]:
            clauses.pop()
        if _EXCEPT.fullmatch(statement):
            clauses.append((indent, statement))
        elif clauses and statement.split()[0] == "return":
            alone = previous == clauses[-1][1] and " as " not in previous
            if not (alone and _LITERAL.fullmatch(statement)):
                found.append(number)
        previous = statement
    return found


def test_compiled_code_returns_nothing_from_except_clauses() -> None:
    package = package_directory()
    paths = [*(package / "_core").glob("*.py"), *package.rglob("*.pyx")]
    assert {path.name: lines for path in paths if (lines := violations(path.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    ("clause", "allowed"),
    [
        ("except OSError:\n        return False", True),
        ("except OSError:\n        failed = True\n    return failed", True),
        ("except OSError:\n        return other()", False),
        ("except OSError as error:\n        return None", False),
        ("except OSError:\n        note()\n        return None", False),
        ("except OSError:\n        if failed:\n            return", False),
    ],
)
def test_return_in_except_clause_is_found(clause: str, allowed: bool) -> None:
    assert bool(violations(f"def read():\n    try:\n        receive()\n    {clause}\n")) is not allowed
