"""Run the test suite in its legs: everything on the pure core, then the behaviour on each other implementation.

Usage: python tools/test.py [pytest's arguments]

Run by the interpreter of an environment that has the extra ``test``. The reference, asyncio itself, is the same in
all legs and runs in the first. Where nothing could be compiled there is one leg, and with SLUICEWAY_REQUIRE_PEERS=1
that is a failure.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEHAVIOUR = ("closing", "connecting", "core", "dropin", "engine", "reading", "serving", "tls", "writing")


def legs() -> list[tuple[str, dict[str, str], list[str]]]:
    """Return name, environment variables and folders of each leg that can run here."""
    found: list[tuple[str, dict[str, str], list[str]]] = [
        ("pure, loop's transports", {"SLUICEWAY_PURE": "1", "SLUICEWAY_ENGINE": "loop"}, [])
    ]
    behaviour = [f"tests/{name}" for name in BEHAVIOUR]
    if importlib.util.find_spec("sluiceway._core_c.read_operations") is not None:
        found.append(("compiled, loop's transports", {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "loop"}, behaviour))
    if importlib.util.find_spec("sluiceway._transports.epoll.stream_socket") is not None:
        # The debug hooks of the allocator tell of a write beyond an object, and of the use of one that is gone.
        variables = {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "epoll", "PYTHONMALLOC": "debug", "PYTHONDEVMODE": "1"}
        found.append(("compiled, engine", variables, behaviour))
    return found


def main() -> None:
    arguments = sys.argv[1:]
    runnable = legs()
    failed = []
    if len(runnable) == 1:
        print("the compiled parts are not installed (no compiler?): the pure core is tested alone", flush=True)
        if os.environ.get("SLUICEWAY_REQUIRE_PEERS") == "1":
            failed.append("compiling")
    for index, (name, variables, folders) in enumerate(runnable):
        print(f"\n===== {name} =====", flush=True)
        environment = {**os.environ, **variables, "SLUICEWAY_TEST_REFERENCE": "0" if index else "1"}
        command = [sys.executable, "-m", "pytest", *arguments, *folders]
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
