"""The contenders: the name of each, how it is compiled, and how it is started.

A Python server gets its own arguments, then ``--mode M --size N``. A compiled server gets ``M N`` first. With TLS,
``--tls CERTIFICATE KEY`` follows. The real programs get the arguments of ``streams.py``.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import shutil
import sys
from typing import Final, Literal

from benchmarks import certificates, compiling, driving
from benchmarks.programs import PROGRAM_OF_MODE
from benchmarks.scenarios import Scenario

HERE: Final = pathlib.Path(__file__).resolve().parent
UVLOOP: Final = ("--loop", "uvloop")
OTHER_LOOPS: Final = ("zuvloop", "rsloop", "rloop")  # packages for CPython 3.14 and later
AIOFASTNET: Final = ("--transports", "aiofastnet")
OURS: Final = ("--streams", "sluiceway")
ENGINE: Final = {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "epoll"}
LOOP_TRANSPORTS: Final = {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "loop"}
WITH_TLS: Final = ("streams.py", "protocols.py", "go")  # the programs that know --tls
PURE: Final = {"SLUICEWAY_PURE": "1", "SLUICEWAY_ENGINE": "loop"}


class MissingError(Exception):
    """This contender cannot run. The message contains what to install."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contender:
    """``program``: a file in servers/, and in clients/ if it has a client side. ``packages``: the imported packages.

    ``interpreter``: the program of another Python than the running one; it needs no package.
    """

    name: str
    title: str
    program: str
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    language: Literal["python", "c", "go"] = "python"
    only: tuple[str, ...] = ()  # the scenarios that it runs in; empty for all
    interpreter: str | None = None

    def runs(self, scenario: Scenario) -> bool:
        if self.interpreter is not None and scenario.side == "program":
            return False
        if scenario.side != "server" and self.program != "streams.py":
            return False
        if scenario.tls and self.program not in WITH_TLS:
            return False
        return not self.only or scenario.name in self.only

    def command(self, scenario: Scenario) -> list[str]:
        """Return the command line that starts it for ``scenario``. Compiles it if necessary. May raise MissingError."""
        program = PROGRAM_OF_MODE[scenario.mode] if scenario.side == "program" else None
        for package in (*self.packages, *(program.packages if program else ())):
            if importlib.util.find_spec(package) is None:
                raise MissingError(f"{self.name}: the package {package} is not installed")
        if program is not None:
            for tool in program.tools:
                if driving.found(tool) is None:
                    raise MissingError(f"{self.name}: {tool} is not installed")
            return [sys.executable, str(HERE / "programs" / program.file), *self.arguments]
        python = sys.executable
        if self.interpreter is not None:
            found = shutil.which(self.interpreter)
            if found is None:
                raise MissingError(f"{self.name}: {self.interpreter} is not installed")
            python = found
        secured = self._secured() if scenario.tls else []
        if self.language != "python":
            compiler = "gcc" if self.language == "c" else "go"
            if shutil.which(compiler) is None:
                raise MissingError(f"{self.name}: {compiler} is not installed")
            binary = compiling.c_server(scenario.mode) if self.language == "c" else compiling.go_server(scenario.mode)
            return [str(binary), scenario.mode, str(scenario.size), *self.arguments, *secured]
        if scenario.side == "client":
            return [python, str(HERE / "clients" / self.program), *self.arguments]
        options = ["--mode", scenario.mode, "--size", str(scenario.size)]
        return [python, str(HERE / "servers" / self.program), *self.arguments, *options, *secured]

    def _secured(self) -> list[str]:
        if importlib.util.find_spec("trustme") is None:
            raise MissingError(f"{self.name}: the package trustme, which creates the certificate, is not installed")
        shown = certificates.identity()
        return ["--tls", str(shown.certificate), str(shown.key)]


CONTENDERS: Final = (
    Contender("c", "C, epoll", "c", language="c"),
    Contender("go", "Go, net and bufio", "go", language="go"),
    Contender("go-buffered", "Go, bufio.Writer", "go", ("buffered",), language="go", only=("pipelined",)),
    Contender("asyncio", "asyncio streams", "streams.py"),
    Contender("asyncio-3.15", "asyncio streams of CPython 3.15", "streams.py", interpreter="python3.15"),
    Contender("uvloop", "asyncio streams on uvloop", "streams.py", UVLOOP, ("uvloop",)),
    *(Contender(name, f"asyncio streams on {name}", "streams.py", ("--loop", name), (name,)) for name in OTHER_LOOPS),
    Contender("asyncio-protocols", "asyncio protocols", "protocols.py"),
    Contender("uvloop-protocols", "uvloop protocols", "protocols.py", UVLOOP, ("uvloop",)),
    Contender("aiofastnet", "asyncio streams on aiofastnet", "streams.py", AIOFASTNET, ("aiofastnet",)),
    Contender(
        "aiofastnet-uvloop",
        "asyncio streams on aiofastnet and uvloop",
        "streams.py",
        (*AIOFASTNET, *UVLOOP),
        ("aiofastnet", "uvloop"),
    ),
    Contender("aiofastnet-protocols", "aiofastnet protocols", "protocols.py", AIOFASTNET, ("aiofastnet",)),
    Contender(
        "aiofastnet-protocols-uvloop",
        "aiofastnet protocols on uvloop",
        "protocols.py",
        (*AIOFASTNET, *UVLOOP),
        ("aiofastnet", "uvloop"),
    ),
    Contender("trio", "trio", "trio_server.py", packages=("trio",)),
    Contender("anyio", "anyio on asyncio", "anyio_server.py", packages=("anyio",)),
    Contender("sluiceway", "sluiceway", "streams.py", OURS, ("sluiceway",), ENGINE),
    Contender(
        "sluiceway-uvloop", "sluiceway on uvloop", "streams.py", (*OURS, *UVLOOP), ("sluiceway", "uvloop"), ENGINE
    ),
    Contender(
        "sluiceway-loop",
        "sluiceway on the loop's transports",
        "streams.py",
        OURS,
        ("sluiceway",),
        LOOP_TRANSPORTS,
    ),
    Contender(
        "sluiceway-aiofastnet",
        "sluiceway's reader and writer on aiofastnet's transports",
        "streams.py",
        (*OURS, *AIOFASTNET),
        ("sluiceway", "aiofastnet"),
        LOOP_TRANSPORTS,
        only=("tls-lines", "lines-64"),
    ),
    Contender("sluiceway-pure", "sluiceway, pure", "streams.py", OURS, ("sluiceway",), PURE),
    Contender(
        "sluiceway-pure-uvloop",
        "sluiceway, pure, on uvloop",
        "streams.py",
        (*OURS, *UVLOOP),
        ("sluiceway", "uvloop"),
        PURE,
    ),
)


def contender_named(name: str) -> Contender:
    for contender in CONTENDERS:
        if contender.name == name:
            return contender
    raise KeyError(name)
