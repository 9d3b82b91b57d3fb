"""The compiled parts: the core a second time from the same files, and on Linux the engine.

Both are optional: where they cannot be compiled, penstock is installed pure.
"""

import pathlib
import sys

from setuptools import Extension, setup

CORE = ("arguments", "buffer", "flow", "incoming", "live", "reader", "state", "writer")
# What the compiled core has beside the files of the core.
COMPILED_ONLY = ("landing", "sink", "spans", "waiter")
ENGINE = ("poller", "transport") if sys.platform == "linux" else ()


def stale() -> bool:
    """Whether a .pxd is newer than what was translated with it: Cython does not follow them into a parallel package."""
    translated = [path.stat().st_mtime for path in pathlib.Path("build/cython").rglob("*.c")]
    declared = [path.stat().st_mtime for path in pathlib.Path("src/penstock").rglob("*.pxd")]
    return bool(translated) and max(declared) > min(translated)


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    found = [Extension(f"penstock._core_c.{name}", [f"src/penstock/_core/{name}.py"], optional=True) for name in CORE]
    found += [
        Extension(f"penstock._core_c.{name}", [f"src/penstock/_core_c/{name}.pyx"], optional=True)
        for name in COMPILED_ONLY
    ]
    found += [
        Extension(f"penstock._engine.{name}", [f"src/penstock/_engine/{name}.pyx"], optional=True) for name in ENGINE
    ]
    return cythonize(
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


setup(ext_modules=extensions())
