"""The environment of a result: machine, kernel, versions, and the commit of the source."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.optimisation import is_optimised

# Packages in the measured processes.
RUN = tuple(f"benchmarks/{folder}" for folder in ("servers", "clients", "programs", "studies"))
PACKAGES = (
    "sluiceway",
    "uvloop",
    "zuvloop",
    "rsloop",
    "rloop",
    "aiofastnet",
    "trio",
    "anyio",
    "redis",
    "hiredis",
    "hypercorn",
    "aiosmtpd",
)


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    build = "an optimised build" if is_optimised() else "not an optimised build"
    found = {"python": f"{platform.python_implementation()} {platform.python_version()} ({build})"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    for program, argument in (("gcc", "-dumpfullversion"), ("go", "version"), ("redis-server", "--version")):
        if shutil.which(program):
            said = subprocess.run([program, argument], capture_output=True, text=True, check=False).stdout
            found[program] = (
                said.strip().removeprefix("go version ").removeprefix("Redis server ").partition(" sha=")[0]
            )
    return found


def commit() -> str:
    """Return the measured commit, followed by "+" if the working tree had changes."""
    root = pathlib.Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", "src", *RUN) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def without_paths(arguments: Sequence[str]) -> list[str]:
    """Return the command line without the directory of the results, which does not affect them."""
    return [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if before != "--output" and not argument.startswith("--output")
    ]


def describe() -> dict[str, object]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "versions": versions(),
        "commit": commit(),
        "command": "python -m benchmarks " + " ".join(without_paths(sys.argv[1:])),
    }
