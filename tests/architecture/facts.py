"""The facts about one source file that the tests of the architecture use."""

import dataclasses
from typing import NamedTuple


class Statement(NamedTuple):
    """An import statement as it is written; ``name`` is None for ``import module``."""

    line: int
    dots: int
    module: str
    name: str | None


class Import(NamedTuple):
    """An import with its absolute name; ``name`` is None for ``import module`` and for an import by string."""

    line: int
    module: str
    name: str | None

    @property
    def path(self) -> str:
        """The dotted path of what is imported: a module, or an attribute of one."""
        return self.module if self.name in {None, "*"} else f"{self.module}.{self.name}"


class Call(NamedTuple):
    """A call with its positional arguments: a string constant is its value, anything else is None."""

    line: int
    function: str
    arguments: tuple[str | None, ...]


@dataclasses.dataclass
class Facts:
    """``uses`` are dotted names of two parts ("os.environ"), ``attributes`` the names that the file's classes define.

    ``strings`` are the string constants, ``lookups`` those that are keys of a mapping (Python files only), ``headers``
    the C headers. ``imports`` holds the statements and the imports by
    string, ``computed`` the lines of imports whose name is not a constant.
    """

    statements: list[Statement] = dataclasses.field(default_factory=list)
    calls: list[Call] = dataclasses.field(default_factory=list)
    uses: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    strings: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    lookups: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    attributes: set[str] = dataclasses.field(default_factory=set)
    headers: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    imports: list[Import] = dataclasses.field(default_factory=list)
    computed: list[int] = dataclasses.field(default_factory=list)
