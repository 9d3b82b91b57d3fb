"""Build the compiled parts: the core, from the same files as the pure one, and on Linux the engine.

They are compiled if there is a C compiler. A compilation error ends the build. The environment variable
SLUICEWAY_BUILD=pure disables the compiled parts; with SLUICEWAY_BUILD=compiled, the build fails without a compiler.

No part is declared safe without the interpreter lock or in subinterpreters. So free-threaded CPython turns the lock on
when it imports one, and at most one interpreter of a process imports them. The others use the pure core.
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = (
    "borrowed_reader",
    "bytearray_buffer",
    "chunk_buffer",
    "closing",
    "coarse_timer",
    "connection_state",
    "discard",
    "end_of_input",
    "length_prefixed",
    "loop_delivery",
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
    "record_iterator",
    "sender",
    "separated_records",
    "stream_reads",
    "stream_waits",
    "tls_receive",
    "tls_send",
    "validation",
    "write_flow_control",
    "write_operations",
    "write_queue",
)
# Files in Cython, which use pointers. _core/ has a pure variant of some of them.
COMPILED_ONLY = (
    "caller_buffer",
    "complete_instances",
    "coroutine_line",
    "direct_buffer",
    "ready",
    "loop_writer",
    "receive_memory",
    "search",
    "task_stepper",
    "waiter",
    "weak_reference",
)
ENGINE = (
    ("direct_select", "listening_socket", "poller", "socket_descriptor", "stream_socket", "write_limits")
    if sys.platform == "linux"
    else ()
)

CHOICE = os.environ.get("SLUICEWAY_BUILD", "")
POSIX = os.name == "posix"


def stale() -> bool:
    """Return True if a .pxd is newer than the translated files. Cython does not track .pxd files of another package."""
    translated = [path.stat().st_mtime for path in pathlib.Path("build/cython").rglob("*.c")]
    declared = [path.stat().st_mtime for path in pathlib.Path("src/sluiceway").rglob("*.pxd")]
    return bool(translated) and max(declared) > min(translated)


def compiler_found() -> bool:
    """Return True if the system has the C compiler that Python was built with, or the one in CC."""
    if not POSIX:
        # setuptools finds Visual C++ in the registry, and reports a missing one itself.
        return True
    return shutil.which((os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]) is not None


def extensions() -> list[Extension]:
    """Return the extensions to compile, already translated to C."""
    if CHOICE not in ("", "compiled", "pure"):
        sys.exit(f"SLUICEWAY_BUILD must be 'compiled', 'pure' or empty, not {CHOICE!r}")
    # The compiled parts are tested only on CPython.
    if CHOICE == "pure" or (CHOICE == "" and sys.implementation.name != "cpython"):
        return []
    if CHOICE == "" and not compiler_found():
        print("sluiceway: no C compiler found; building without the compiled parts", file=sys.stderr)
        return []
    return translated()


def translated() -> list[Extension]:
    from Cython.Build import cythonize

    sources = {f"sluiceway._core_c.{name}": f"sluiceway/_core/{name}.py" for name in CORE}
    sources |= {f"sluiceway._core_c.{name}": f"sluiceway/_core_c/{name}.pyx" for name in COMPILED_ONLY}
    sources |= {f"sluiceway._transports.epoll.{name}": f"sluiceway/_transports/epoll/{name}.pyx" for name in ENGINE}
    # Debugging information and symbols are four fifths of the size. They are kept if the environment sets CFLAGS.
    bare = POSIX and "CFLAGS" not in os.environ
    compile_arguments = ["-g0"] if bare else []
    link_arguments = ["-Wl,--strip-all"] if bare and sys.platform == "linux" else []
    found = [
        Extension(module, [source], extra_compile_args=compile_arguments, extra_link_args=link_arguments)
        for module, source in sources.items()
    ]
    force = stale()
    # File names in tracebacks are relative to this folder, as those of the package's Python files.
    with contextlib.chdir("src"):
        translations = cythonize(
            found,
            build_dir="../build/cython",
            force=force,
            include_path=["."],
            compiler_directives={
                "language_level": 3,
                "binding": True,
                "annotation_typing": False,
                "iterable_coroutine": True,
                # No object of a compiled class can be pickled, and __setstate__() would set fields without a check.
                "auto_pickle": False,
                "freethreading_compatible": False,
                "subinterpreters_compatible": "no",
            },
        )
    for extension in translations:
        extension.sources = [os.path.normpath(os.path.join("src", source)) for source in extension.sources]
    return translations


class BuildExtensions(build_ext):
    """Compiles several files in parallel. The first failure ends the build with the name of the file and the reason."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as error:
            sys.exit(
                f"sluiceway: {ext.name} cannot be compiled: {reason(ext.sources) or error}\n"
                "Install a C compiler and the headers of this Python (Debian: build-essential and python3-dev), "
                "or set SLUICEWAY_BUILD=pure"
            )


def reason(sources: list[str]) -> str | None:
    """Return the first error of the compiler for these sources, from another run without output files."""
    if not POSIX:
        return None
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    command = [*compiler, "-fsyntax-only", f"-I{sysconfig.get_path('include')}", *sources]
    messages = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
    return next((line for line in messages if re.search(r"\berror\b", line)), None)


def long_description() -> str:
    """Return the README without relative pictures and links, for pages outside the repository."""
    text = pathlib.Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"!\[[^]]*\]\((?!https:)[^)]*\)\n*", "", text)
    return re.sub(r"\[([^]]*)\]\((?!https:)[^)]*\)", r"\1", text)


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExtensions},
    long_description=long_description(),
    long_description_content_type="text/markdown",
)
