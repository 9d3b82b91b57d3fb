"""Compile the load generator, the C servers and the Go servers into .build/ if a source is newer."""

from __future__ import annotations

import os
import pathlib
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Final

HERE: Final = pathlib.Path(__file__).resolve().parent
BUILD: Final = HERE / ".build"
C_FLAGS: Final = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function")
C_PROGRAM_OF_MODE: Final = {
    "lines": "lines",
    "connect": "lines",
    "records": "records",
    "frames": "records",
    "blocks": "blocks",
    "sink": "oneway",
    "source": "oneway",
}
GO_PROGRAM_OF_MODE: Final = {**C_PROGRAM_OF_MODE, "blocks": "records"}


def _make(
    binary: pathlib.Path, sources: Sequence[pathlib.Path], compiler: Sequence[str], arguments: Sequence[str]
) -> pathlib.Path:
    """Unless ``binary`` is newer than its sources, run ``compiler -o NEW arguments`` and rename NEW to ``binary``."""
    if binary.exists() and all(binary.stat().st_mtime > source.stat().st_mtime for source in sources):
        return binary
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as directory:
        # Two runs may compile at the same time, so the finished file is renamed atomically.
        made = pathlib.Path(directory) / binary.name
        subprocess.run([*compiler, "-o", str(made), *arguments], check=True)
        os.replace(made, binary)
    return binary


def load_generator() -> pathlib.Path:
    sources = sorted((HERE / "load").glob("*.[ch]"))
    units = [str(source) for source in sources if source.suffix == ".c"]
    return _make(BUILD / "load", sources, ["gcc", *C_FLAGS], [*units, "-lssl", "-lcrypto"])


def c_server(mode: str) -> pathlib.Path:
    program = C_PROGRAM_OF_MODE[mode]
    source = HERE / "servers" / "c" / f"{program}.c"
    header = source.with_name("server.h")
    return _make(BUILD / f"c-{program}", [source, header], ["gcc", *C_FLAGS], [str(source)])


def go_server(mode: str) -> pathlib.Path:
    program = GO_PROGRAM_OF_MODE[mode]
    sources = [HERE / "servers" / "go" / f"{name}.go" for name in ("server", program)]
    return _make(BUILD / f"go-{program}", sources, ["go", "build"], [str(source) for source in sources])
