"""The measured package: its import name, its path, and the names of its environment variables."""

from __future__ import annotations

import dataclasses
import pathlib
import tomllib


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    """A package. ``path``: the folder to import it from; None for a part of the standard library."""

    name: str
    path: pathlib.Path | None = None

    def variable(self, suffix: str) -> str:
        """Return the name of an environment variable of this package."""
        return f"{self.name.upper()}_{suffix}"


ASYNCIO = Package("asyncio")


def name_in(checkout: pathlib.Path) -> str:
    """Return the import name of the package in ``checkout``, which differs in older commits."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name: str = project["name"]
    return name.replace("-", "_")


def installed_in_place(checkout: pathlib.Path) -> Package:
    """Return the package of a checkout with compiled parts that were built in place."""
    return Package(name_in(checkout), checkout / "src")
