"""The package that is measured: its import name, where it is imported from, and how its variables are called."""

from __future__ import annotations

import dataclasses
import pathlib
import tomllib


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    """``path`` is the folder that the package is imported from; None for a part of the standard library."""

    name: str
    path: pathlib.Path | None = None

    def variable(self, suffix: str) -> str:
        """The environment variable that chooses something in this package."""
        return f"{self.name.upper()}_{suffix}"


ASYNCIO = Package("asyncio")


def name_in(checkout: pathlib.Path) -> str:
    """The import name of the package in ``checkout``; older commits may have another than the current one."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name: str = project["name"]
    return name.replace("-", "_")


def installed_in_place(checkout: pathlib.Path) -> Package:
    """The package of a checkout whose compiled parts were built in place."""
    return Package(name_in(checkout), checkout / "src")
