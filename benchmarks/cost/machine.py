"""The environment of the counts. Two machines with the same description have the same counts."""

from __future__ import annotations

import importlib
import os
import pathlib
import platform
import re
import shlex
import ssl
import subprocess
import sys
import sysconfig
from typing import Final

# Features by which the C library and OpenSSL select functions, if valgrind exposes them.
FEATURES: Final = frozenset({"aes", "asimd", "avx", "avx2", "bmi1", "bmi2", "fma", "pclmulqdq", "rdrand", "sse4_2"})


def first_line_of(*command: str) -> str:
    """Return the version that a program prints, or "none" if it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0].strip()
    except FileNotFoundError:
        return "none"


def compiler() -> list[str]:
    return (sysconfig.get_config_var("CC") or "cc").split()[:1]


def without_paths(options: str) -> str:
    """Return the options of a build. Paths are removed, because they do not affect the counts."""
    return " ".join(one.partition("=")[0] if "/" in one else one for one in shlex.split(options))


def processor_features() -> str:
    """Return the relevant features of the processor, sorted."""
    try:
        found = re.search(r"^(?:flags|Features)\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return " ".join(sorted(FEATURES & set(found[1].split()))) if found else "unknown"


def cython_of(package: str) -> str:
    """Return the version of Cython that built the compiled parts. Their shared module is named after it."""
    importlib.import_module(package)
    shared = (re.fullmatch(r"_cython_(\d+(?:_\d+)*)\w*", name) for name in sys.modules)
    return next((found[1].replace("_", ".") for found in shared if found), "unknown")


def description(package: str) -> dict[str, str]:
    """Return the description of this machine, this interpreter, and the Cython that built ``package``."""
    return {
        "compiler": first_line_of(*compiler(), "--version"),
        "compiler flags": without_paths(os.environ.get("CFLAGS", "")),
        "cython": cython_of(package),
        "interpreter": sys.version,
        "interpreter configuration": without_paths(sysconfig.get_config_var("CONFIG_ARGS") or ""),
        "libc": " ".join(platform.libc_ver()),
        "machine": platform.machine(),
        "openssl": ssl.OPENSSL_VERSION,
        "processor features": processor_features(),
        "valgrind": first_line_of("valgrind", "--version"),
    }


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Return the names of the differing entries, sorted."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
