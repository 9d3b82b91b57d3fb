"""The compiled parts: the core a second time from the same files, and on Linux the engine.

Both are optional: where they cannot be compiled (no compiler, no headers, no Cython) sluiceway is installed pure, and
``sluiceway doctor`` says so. With SLUICEWAY_BUILD=compiled in the environment that is an error, for those who make
wheels; SLUICEWAY_BUILD=pure compiles nothing.

Nothing is declared about free-threaded builds of Python: the core relies on the lock, so importing it turns the lock on
again, as Python does for every module that says nothing. There SLUICEWAY_BUILD=pure may be the better choice.
"""

import os
import pathlib
import sys

from setuptools import Extension, setup

CORE = (
    "budget",
    "bytearray_buffer",
    "chunk_buffer",
    "connection_state",
    "end_of_input",
    "protocol_operations",
    "protocol_receiver",
    "raw_transport",
    "read_by_size",
    "read_flow_control",
    "read_operations",
    "read_until",
    "read_wait",
    "receive_interface",
    "receiver",
    "sender",
    "tls_receive",
    "tls_send",
    "validation",
    "write_flow_control",
    "write_operations",
    "write_queue",
)
# What is written over pointers: for some of them _core/ has a pure variant.
COMPILED_ONLY = ("direct_buffer", "receive_memory", "search", "waiter", "weak_reference")
ENGINE = ("poller", "stream_socket") if sys.platform == "linux" else ()

CHOICE = os.environ.get("SLUICEWAY_BUILD", "")


def stale() -> bool:
    """Whether a .pxd is newer than what was translated with it: Cython does not follow them into a parallel package."""
    translated = [path.stat().st_mtime for path in pathlib.Path("build/cython").rglob("*.c")]
    declared = [path.stat().st_mtime for path in pathlib.Path("src/sluiceway").rglob("*.pxd")]
    return bool(translated) and max(declared) > min(translated)


def extensions() -> list[Extension]:
    """Return what is to be compiled, translated to C already."""
    if CHOICE not in ("", "compiled", "pure"):
        sys.exit(f"SLUICEWAY_BUILD is compiled or pure, not {CHOICE!r}")
    # What is compiled is tried on CPython alone.
    if CHOICE == "pure" or (CHOICE == "" and sys.implementation.name != "cpython"):
        return []
    try:
        return translated()
    except Exception as error:
        if CHOICE == "compiled":
            raise
        print(f"sluiceway is installed pure, Cython failed: {type(error).__name__}: {error}", file=sys.stderr)
        return []


def translated() -> list[Extension]:
    from Cython.Build import cythonize

    sources = {f"sluiceway._core_c.{name}": f"src/sluiceway/_core/{name}.py" for name in CORE}
    sources |= {f"sluiceway._core_c.{name}": f"src/sluiceway/_core_c/{name}.pyx" for name in COMPILED_ONLY}
    sources |= {f"sluiceway._transports.epoll.{name}": f"src/sluiceway/_transports/epoll/{name}.pyx" for name in ENGINE}
    found = [Extension(module, [source]) for module, source in sources.items()]
    translations = cythonize(
        found,
        build_dir="build/cython",
        force=stale(),
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "binding": True,
            "annotation_typing": False,
            "iterable_coroutine": True,
        },
    )
    for extension in translations:
        # Said here, since cythonize makes new extensions and forgets it.
        extension.optional = CHOICE != "compiled"
    return translations


setup(ext_modules=extensions())
