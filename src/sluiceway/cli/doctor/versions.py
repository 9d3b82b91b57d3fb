"""The versions of sluiceway and of the software that it runs on."""

from __future__ import annotations

import importlib.metadata
import platform
import ssl
import sys

import sluiceway
from sluiceway.cli.doctor.findings import Finding, Section


def versions() -> Section:
    """Return the section about the versions of sluiceway, Python, the system and uvloop."""
    return Section(
        "versions",
        "Versions",
        [
            Finding("sluiceway", "sluiceway", sluiceway.__version__, sluiceway.__version__),
            Finding("python", "Python", platform.python_version(), _python()),
            Finding("system", "system", _system(), _system()),
            _uvloop(),
        ],
    )


def tls() -> Section:
    """Return the section about TLS: the library that ``ssl`` uses, and whether it has TLS 1.3."""
    # Some builds of OpenSSL do not have TLS 1.3.
    tls13 = bool(ssl.HAS_TLSv1_3)
    return Section(
        "tls",
        "TLS",
        [
            Finding("library", "library", ssl.OPENSSL_VERSION, ssl.OPENSSL_VERSION),
            Finding("tls_1_3", "TLS 1.3", tls13, "yes" if tls13 else "no"),
        ],
    )


def _python() -> str:
    bits = 64 if sys.maxsize > 1 << 32 else 32
    free_threaded = ", free-threaded" if "free-threading" in sys.version else ""
    return f"{platform.python_version()} ({platform.python_implementation()}, {bits}-bit{free_threaded})"


def _system() -> str:
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel


def _uvloop() -> Finding:
    try:
        version = importlib.metadata.version("uvloop")
    except importlib.metadata.PackageNotFoundError:
        return Finding("uvloop", "uvloop", None, "not installed")
    return Finding("uvloop", "uvloop", version, version)
