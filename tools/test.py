"""Run the test suite: all tests on the pure core, and the tests of behaviour in each compiled configuration.

Usage: python tools/test.py [--loops default|others|all] [pytest's arguments]

``--loops default``, the default: each async test on one kind of event loop. ``others``: on the other kinds, and no
other test. ``all``: both.

Run it with the interpreter of an environment that has the extra ``test``. The reference, asyncio itself, is tested in
the first configuration only. With SLUICEWAY_REQUIRE_PEERS=1, a missing compiled part is a failure.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEHAVIOUR_FOLDERS = (
    *("closing", "connecting", "core", "debugging", "dropin", "engine", "framing", "reading", "serving", "stream"),
    *("tls", "writing"),
)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # Without its compiled modules the package _core_c cannot be imported.
        return False


def configurations() -> list[tuple[str, dict[str, str], list[str]]]:
    """Return the name, the environment variables and the folders of each available configuration."""
    found: list[tuple[str, dict[str, str], list[str]]] = [
        ("pure, loop's transports", {"SLUICEWAY_PURE": "1", "SLUICEWAY_ENGINE": "loop"}, [])
    ]
    folders = [f"tests/{name}" for name in BEHAVIOUR_FOLDERS]
    has_engine = _exists("sluiceway._transports.epoll.stream_socket")
    if _exists("sluiceway._core_c.read_operations"):
        # tests/core uses no transport: once is enough for the compiled core.
        loop_folders = [folder for folder in folders if not (has_engine and folder == "tests/core")]
        found.append(("compiled, loop's transports", {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "loop"}, loop_folders))
    if has_engine:
        # The allocator's debug hooks detect a write beyond an object and a use after free. Development mode has them,
        # but turns on asyncio's debug mode in programs that tests start: the engine then runs no task itself, and
        # asyncio logs each callback slower than 0.1 s.
        hooks = {"PYTHONMALLOC": "debug", "PYTHONWARNINGS": "default", "PYTHONFAULTHANDLER": "1"}
        found.append(("compiled, engine", {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "epoll", **hooks}, folders))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--loops", choices=("default", "others", "all"), default="default")
    options, arguments = parser.parse_known_args()
    available = configurations()
    failed = []
    if len(available) < (3 if sys.platform == "linux" else 2):
        print(
            f"a compiled part is not installed (is a compiler missing?); running only {len(available)} configurations",
            flush=True,
        )
        if os.environ.get("SLUICEWAY_REQUIRE_PEERS") == "1":
            failed.append("compiling")
    for index, (name, variables, folders) in enumerate(available):
        print(f"\n===== {name} =====", flush=True)
        reference = "0" if index else "1"
        environment = {**os.environ, **variables, "SLUICEWAY_TEST_REFERENCE": reference}
        environment["SLUICEWAY_TEST_LOOPS"] = options.loops
        # Workers, configurations and the children of tests import the same files; compiling them takes long.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "pytest", *arguments, *folders]
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
