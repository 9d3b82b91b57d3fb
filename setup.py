"""The compiled parts: the core a second time from the same files, and on Linux the engine.

They are compiled wherever there is a C compiler, and what fails to compile ends the build. SLUICEWAY_BUILD=pure in the
environment compiles nothing; SLUICEWAY_BUILD=compiled fails where there is no compiler.

No part is declared safe without the interpreter lock, so importing the core on a free-threaded build turns the lock on,
and none is declared for subinterpreters, so those use the pure core.
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
COMPILED_ONLY = ("coroutine_line", "direct_buffer", "receive_memory", "search", "waiter", "weak_reference")
ENGINE = ("poller", "stream_socket") if sys.platform == "linux" else ()

CHOICE = os.environ.get("SLUICEWAY_BUILD", "")
POSIX = os.name == "posix"


def stale() -> bool:
    """Whether a .pxd is newer than what was translated with it: Cython does not follow them into a parallel package."""
    translated = [path.stat().st_mtime for path in pathlib.Path("build/cython").rglob("*.c")]
    declared = [path.stat().st_mtime for path in pathlib.Path("src/sluiceway").rglob("*.pxd")]
    return bool(translated) and max(declared) > min(translated)


def compiler_found() -> bool:
    """Whether this system has a C compiler: the one that Python was built with, or that CC names."""
    if not POSIX:
        # Python finds Visual C++ by the registry, and says where to get it.
        return True
    return shutil.which((os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]) is not None


def extensions() -> list[Extension]:
    """Return what is to be compiled, translated to C already."""
    if CHOICE not in ("", "compiled", "pure"):
        sys.exit(f"SLUICEWAY_BUILD is compiled or pure, not {CHOICE!r}")
    # What is compiled is tried on CPython alone.
    if CHOICE == "pure" or (CHOICE == "" and sys.implementation.name != "cpython"):
        return []
    if CHOICE == "" and not compiler_found():
        print("sluiceway is built without its compiled parts: there is no C compiler", file=sys.stderr)
        return []
    return translated()


def translated() -> list[Extension]:
    from Cython.Build import cythonize

    sources = {f"sluiceway._core_c.{name}": f"sluiceway/_core/{name}.py" for name in CORE}
    sources |= {f"sluiceway._core_c.{name}": f"sluiceway/_core_c/{name}.pyx" for name in COMPILED_ONLY}
    sources |= {f"sluiceway._transports.epoll.{name}": f"sluiceway/_transports/epoll/{name}.pyx" for name in ENGINE}
    # Debugging information is four fifths of the size. It is kept where the environment sets CFLAGS.
    bare = POSIX and "CFLAGS" not in os.environ
    compile_arguments = ["-g0"] if bare else []
    link_arguments = ["-Wl,--strip-debug"] if bare and sys.platform == "linux" else []
    found = [
        Extension(module, [source], extra_compile_args=compile_arguments, extra_link_args=link_arguments)
        for module, source in sources.items()
    ]
    force = stale()
    # File names in tracebacks are relative to this folder, so linecache finds them on sys.path.
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
                "freethreading_compatible": False,
                "subinterpreters_compatible": "no",
            },
        )
    for extension in translations:
        extension.sources = [os.path.normpath(os.path.join("src", source)) for source in extension.sources]
    return translations


class BuildExtensions(build_ext):
    """Compiles several files at once, and ends the build at the first that fails with its name and the reason."""

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
    """Return the first error of the compiler for these sources, compiled once more without an output."""
    if not POSIX:
        return None
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    command = [*compiler, "-fsyntax-only", f"-I{sysconfig.get_path('include')}", *sources]
    messages = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
    return next((line for line in messages if re.search(r"\berror\b", line)), None)


def long_description() -> str:
    """Return the README for pages outside the repository, where its relative pictures and links lead nowhere."""
    text = pathlib.Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"!\[[^]]*\]\((?!https:)[^)]*\)\n*", "", text)
    return re.sub(r"\[([^]]*)\]\((?!https:)[^)]*\)", r"\1", text)


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExtensions},
    long_description=long_description(),
    long_description_content_type="text/markdown",
)
