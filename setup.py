"""The compiled parts: the core a second time from the same files, and on Linux the engine.

Both are optional: where they cannot be compiled, penstock is installed pure.
"""

import sys

from setuptools import Extension, setup

CORE = ("arguments", "buffer", "flow", "incoming", "live", "reader", "state", "writer")
# What the compiled core has beside the files of the core.
COMPILED_ONLY = ("sink", "spans", "waiter")
ENGINE = ("poller", "transport") if sys.platform == "linux" else ()


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
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "binding": True,
            "annotation_typing": False,
            "iterable_coroutine": True,
        },
    )


setup(ext_modules=extensions())
