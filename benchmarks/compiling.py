"""Compile the load generator, the servers in C and Go, and other programs into .build/ if a source is newer."""

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


def compiled(
    name: str, sources: Sequence[pathlib.Path], compiler: Sequence[str], arguments: Sequence[str]
) -> pathlib.Path:
    """Return the file ``name`` that ``compiler -o FILE arguments`` makes.

    Compiles unless a newer file than ``sources`` exists. Each version of the C library has its own file: a program that
    was linked with a newer version does not start. Raises CalledProcessError if the compiler fails; the compiler has
    then written its errors to standard error.
    """
    directory = BUILD / (os.confstr("CS_GNU_LIBC_VERSION") or "libc").replace(" ", "-")
    binary = directory / name
    if binary.exists() and all(binary.stat().st_mtime > source.stat().st_mtime for source in sources):
        return binary
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        # Two runs may compile at the same time, so the finished file is renamed atomically.
        made = pathlib.Path(temporary) / name
        subprocess.run([*compiler, "-o", str(made), *arguments], check=True)
        os.replace(made, binary)
    return binary


def load_generator() -> pathlib.Path:
    sources = sorted((HERE / "load").glob("*.[ch]"))
    units = [str(source) for source in sources if source.suffix == ".c"]
    return compiled("load", sources, ["gcc", *C_FLAGS], [*units, "-lssl", "-lcrypto"])


def c_server(mode: str) -> pathlib.Path:
    program = C_PROGRAM_OF_MODE[mode]
    source = HERE / "servers" / "c" / f"{program}.c"
    header = source.with_name("server.h")
    return compiled(f"c-{program}", [source, header], ["gcc", *C_FLAGS], [str(source)])


def go_server(mode: str) -> pathlib.Path:
    program = GO_PROGRAM_OF_MODE[mode]
    sources = [HERE / "servers" / "go" / f"{name}.go" for name in ("server", program)]
    return compiled(f"go-{program}", sources, ["go", "build"], [str(source) for source in sources])
