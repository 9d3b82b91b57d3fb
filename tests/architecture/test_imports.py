"""Every module can be imported, and the package imports only the standard library."""

import subprocess
import sys

from support.package import module_name, source_files
from support.timeouts import PROCESS_TIMEOUT


def run_isolated(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python without environment variables and current directory; warnings are errors."""
    return subprocess.run(
        [sys.executable, "-I", "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )


def test_package_imports_without_warning_or_output() -> None:
    result = run_isolated("-c", "import sluiceway")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_each_module_imports_alone_after_package() -> None:
    """Python imports the package before any of its modules, so each import starts from there, in a forked child."""
    script = """
import importlib, os, sys, sluiceway

for module in sys.argv[1:]:
    if module not in sys.modules:
        child = os.fork()
        if child == 0:
            importlib.import_module(module)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            sys.exit(f"{module} cannot be imported")
"""
    result = run_isolated("-c", script, *(module_name(path) for path in source_files()))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_package_imports_one_core() -> None:
    script = "import sys, sluiceway; print(sluiceway.IMPLEMENTATION, 'sluiceway._core.receiver' in sys.modules)"
    result = run_isolated("-c", script)
    # Each core takes a seventh of the time of the import.
    assert result.stdout in ("compiled False\n", "pure True\n")


def test_package_imports_only_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import sluiceway;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    result = run_isolated("-c", script)
    assert result.stderr == ""
    # Compiled modules register shared objects under names that Cython generates; these are not imports.
    # Debian's Python has a module that names the package of a missing standard module.
    own = ("_cython_", "cython_runtime", "_missing_stdlib_info")
    names = {name for name in result.stdout.split() if not name.startswith(own)}
    assert "sluiceway" in names
    assert names - {"sluiceway"} - sys.stdlib_module_names == set()


def test_stream_api_is_imported_at_first_use() -> None:
    script = """
import sys, sluiceway

print("sluiceway.stream" in sys.modules, "Stream" in dir(sluiceway), hasattr(sluiceway, "unknown"))
print(sluiceway.stream is sys.modules["sluiceway.stream"])
from sluiceway import Stream, pair

print(Stream is sluiceway.stream.Stream, pair is sluiceway.pair, "Stream" in vars(sluiceway))
"""
    result = run_isolated("-c", script)
    assert (result.stdout, result.stderr) == ("False True False\nTrue\nTrue True True\n", "")
