"""Run the test suite on every interpreter that interpreters.py finds. Fails if a run fails.

Usage: python tools/test_all.py [--after-test] [pytest's arguments]

With ``--after-test``, the Python of this program runs only the tests that ``make test`` does not run. Each run ends
with pytest's summary. The last line of the output lists the failed runs.
"""

import argparse
import pathlib
import subprocess
import sys
import time

from interpreters import Interpreter, interpreters

HERE = pathlib.Path(__file__).resolve().parent


def run(interpreter: Interpreter, arguments: list[str]) -> bool:
    """Run the suite in the environment of this interpreter. Returns True if it passed."""
    command = interpreter.command(HERE / "environment.py", "test")
    made = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode != 0:
        return False
    program = Interpreter(pathlib.Path(made.stdout.strip()) / "python", interpreter.entry)
    # The programs of the benchmarks and Chromium are outside the Debian root, and do not depend on the interpreter.
    # Node.js, outside as well, cannot start a Python inside.
    outside = (
        "--ignore=tests/benchmarks",
        "--ignore=tests/documents/test_site_in_browser.py",
        "--deselect=tests/examples/test_programs.py::test_json_agent_serves_node",
    )
    command = program.command(HERE / "test.py", *(outside if interpreter.entry else ()), *arguments)
    return subprocess.run(command, cwd=HERE.parent, check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--after-test", action="store_true")
    options, arguments = parser.parse_known_args()
    found = interpreters()
    loops = dict.fromkeys(found, "all")
    if options.after_test:
        loops[sys.version_info[:2]] = "others"
    print("interpreters:", *(f"{major}.{minor}" for major, minor in found), flush=True)
    failed = []
    for series, interpreter in found.items():
        name = ".".join(map(str, series))
        print(f"\n===== Python {name}: {interpreter} =====", flush=True)
        begin = time.monotonic()
        if not run(interpreter, ["--loops", loops[series], *arguments]):
            failed.append(name)
        print(f"Python {name}: {(time.monotonic() - begin) / 60:.1f} minutes", flush=True)
    if failed:
        sys.exit(f"failed on Python {', '.join(failed)}")


if __name__ == "__main__":
    main()
