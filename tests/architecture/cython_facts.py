"""The facts of a Cython file (.pyx, .pxd), taken from its text: the ast module does not read Cython.

String constants are replaced by numbers in quotes and comments are removed before anything is searched, so neither can
be taken for code.
"""

import bisect
import re
from collections.abc import Iterator

from architecture.facts import Call, Facts, Statement

_QUOTED = re.compile(r"(?s)(?<!\w)[a-zA-Z]{0,2}(\"\"\"|'''|\"|')((?:\\.|(?!\1).)*)\1|#[^\n]*")
_IMPORT = re.compile(r"(?:^|[;:])\s*(?:from\s*(\.*)\s*([\w.]*)\s+)?c?import\s+\(?([^;()]+)")
_CALL = re.compile(r"([\w.]+)\(")
_HEADER = re.compile(r"cdef\s+extern\s+from\s+\"(\d+)\"")
_METHOD = re.compile(r"(?m)^[ \t]+(?:async\s+)?(?:def|cpdef|cdef)\s[^\n(=]*?(\w+)\(")
_FIELD = re.compile(r"(?m)^[ \t]+cdef\s+(?:public\s+|readonly\s+)?[\w.]+[ *\t]+(\w+(?:\s*,\s*\w+)*)\s*$")
_STORE = re.compile(r"\bself\.(\w+)\s*(?:[-+|&]?=)(?!=)")
_BOUND = re.compile(r"(?m)^(?:cdef\s+\w+\s+)?(\w+)\s*=\s*\"(\d+)\"\s*$")


class Stripped:
    """A text whose strings are ``"0"``, ``"1"``, … and whose comments are removed; line numbers are unchanged."""

    def __init__(self, text: str) -> None:
        self.strings: list[tuple[int, str]] = []
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self.text = _QUOTED.sub(lambda match: self._replace(match, text), text)
        self._newlines = [match.start() for match in re.finditer("\n", self.text)]

    def _replace(self, match: re.Match[str], text: str) -> str:
        if match[0].startswith("#"):
            return ""
        self.strings.append((self.line(match.start()), match[2]))
        return f'"{len(self.strings) - 1}"' + "\n" * match[0].count("\n")

    def line(self, position: int) -> int:
        return bisect.bisect_left(self._newlines, position) + 1

    def statements(self) -> Iterator[tuple[int, str]]:
        """Yield (first line, text) of each logical line: brackets and backslashes join physical lines."""
        depth, start, parts = 0, 0, list[str]()
        for number, line in enumerate(self.text.split("\n"), 1):
            start = start if parts else number
            parts.append(line.removesuffix("\\"))
            depth += sum(line.count(bracket) for bracket in "([{") - sum(line.count(bracket) for bracket in ")]}")
            if depth <= 0 and not line.endswith("\\"):
                yield start, " ".join(parts).strip()
                depth, parts = 0, []

    def arguments(self, start: int) -> list[str]:
        """Return the texts of the arguments of the call whose bracket opens before ``start``."""
        depth, found = 0, [""]
        for character in self.text[start:]:
            if character in ")]}" and depth == 0:
                break
            depth += (character in "([{") - (character in ")]}")
            if character == "," and depth == 0:
                found.append("")
            else:
                found[-1] += character
        return [argument.strip() for argument in found if argument.strip()]


def cython_facts(text: str) -> Facts:
    """Return the facts of a file, without ``imports`` and ``computed``."""
    stripped = Stripped(text)
    names = {match[1]: stripped.strings[int(match[2])][1] for match in _BOUND.finditer(stripped.text)}

    def constant(argument: str) -> str | None:
        argument = re.sub(r"^name\s*=\s*", "", argument)
        quoted = re.fullmatch(r'"(\d+)"', argument)
        return stripped.strings[int(quoted[1])][1] if quoted else names.get(argument)

    fields = {name.strip() for match in _FIELD.finditer(stripped.text) for name in match[1].split(",")}
    methods = {match[1] for match in _METHOD.finditer(stripped.text)}
    return Facts(
        statements=list(_imports(stripped)),
        calls=[
            Call(stripped.line(match.start()), match[1], tuple(map(constant, stripped.arguments(match.end()))))
            for match in _CALL.finditer(stripped.text)
        ],
        uses=[(stripped.line(match.start()), match[0]) for match in re.finditer(r"(?<![\w.])\w+\.\w+", stripped.text)],
        strings=stripped.strings,
        attributes=fields | methods | {match[1] for match in _STORE.finditer(stripped.text)},
        headers=[
            (stripped.line(match.start()), stripped.strings[int(match[1])][1])
            for match in _HEADER.finditer(stripped.text)
        ],
    )


def _imports(stripped: Stripped) -> Iterator[Statement]:
    for line, statement in stripped.statements():
        for match in _IMPORT.finditer(statement):
            names = [name.split()[0] for name in match[3].split(",") if name.strip()]
            for name in names:
                if match[1] is None:
                    yield Statement(line, 0, name, None)
                else:
                    yield Statement(line, len(match[1]), match[2], name)
