"""The contenders: how each is called, started and, where it has to be, compiled.

A contender's command is followed by ``--mode M --size N`` for the Python servers, by ``M N`` for the compiled ones.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import shutil
import sys
from typing import Final, Literal

from benchmarks import compiling
from benchmarks.scenarios import Scenario

HERE: Final = pathlib.Path(__file__).resolve().parent
SERVERS: Final = HERE / "servers"
ENGINE: Final = {"PENSTOCK_ENGINE": "epoll"}
PURE: Final = {"PENSTOCK_PURE": "1", "PENSTOCK_ENGINE": "loop"}


class Missing(Exception):
    """This contender cannot run here; the message says what would bring it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contender:
    """``program`` is a file in servers/; ``packages`` are what it imports; ``variables`` are for its environment."""

    name: str
    title: str
    program: str
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    language: Literal["python", "c", "go"] = "python"
    modes: tuple[str, ...] = ()  # none: all

    def runs(self, scenario: Scenario) -> bool:
        return scenario.side == "server" and (not self.modes or scenario.mode in self.modes)

    def command(self, scenario: Scenario) -> list[str]:
        """The command line that starts the server of ``scenario``; what has to be compiled is. Raises Missing."""
        if self.language == "python":
            for package in self.packages:
                if importlib.util.find_spec(package) is None:
                    raise Missing(f"{self.name}: the package {package} is not installed")
            options = ["--mode", scenario.mode, "--size", str(scenario.size)]
            return [sys.executable, str(SERVERS / self.program), *self.arguments, *options]
        compiler = "gcc" if self.language == "c" else "go"
        if shutil.which(compiler) is None:
            raise Missing(f"{self.name}: {compiler} is not installed")
        binary = compiling.c_server(scenario.mode) if self.language == "c" else compiling.go_server(scenario.mode)
        return [str(binary), *self.arguments, scenario.mode, str(scenario.size)]


def _streams(name: str, title: str, *arguments: str, **more: object) -> Contender:
    return Contender(name, title, "streams.py", arguments, **more)  # type: ignore[arg-type]


CONTENDERS: Final = (
    Contender("c", "C, epoll", "c", language="c"),
    _streams("asyncio", "asyncio streams"),
    _streams("uvloop", "asyncio streams on uvloop", "--loop", "uvloop", packages=("uvloop",)),
    _streams("penstock", "penstock", "--streams", "penstock", variables=ENGINE, packages=("penstock",)),
    _streams(
        "penstock-uvloop",
        "penstock on uvloop",
        "--streams",
        "penstock",
        "--loop",
        "uvloop",
        variables=ENGINE,
        packages=("penstock", "uvloop"),
    ),
    _streams("penstock-pure", "penstock, pure", "--streams", "penstock", variables=PURE, packages=("penstock",)),
    _streams(
        "penstock-pure-uvloop",
        "penstock, pure, on uvloop",
        "--streams",
        "penstock",
        "--loop",
        "uvloop",
        variables=PURE,
        packages=("penstock", "uvloop"),
    ),
)


def contender_named(name: str) -> Contender:
    for contender in CONTENDERS:
        if contender.name == name:
            return contender
    raise KeyError(name)
