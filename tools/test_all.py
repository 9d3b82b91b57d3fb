"""Run the whole suite on every interpreter that interpreters.py finds; fail if any run fails.

Usage: python tools/test_all.py [--skip-current] [pytest's arguments]

Each run ends with pytest's closing line; after the last one nothing is printed but which runs failed.
"""

import pathlib
import subprocess
import sys

from interpreters import interpreters

HERE = pathlib.Path(__file__).resolve().parent


def run(python: pathlib.Path, arguments: list[str]) -> bool:
    """Run the suite in the environment of this interpreter; say whether all went well."""
    made = subprocess.run([python, HERE / "environment.py", "test"], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode != 0:
        return False
    program = pathlib.Path(made.stdout.strip()) / "python"
    return subprocess.run([program, HERE / "test.py", *arguments], cwd=HERE.parent, check=False).returncode == 0


def main() -> None:
    arguments = sys.argv[1:]
    found = interpreters()
    if "--skip-current" in arguments:
        arguments.remove("--skip-current")
        found.pop(sys.version_info[:2], None)
    if not found:
        print("no other interpreter from 3.11 up is here")
        return
    print("interpreters:", *(f"{major}.{minor}" for major, minor in found), flush=True)
    failed = []
    for (major, minor), python in found.items():
        print(f"\n===== Python {major}.{minor}: {python} =====", flush=True)
        if not run(python, arguments):
            failed.append(f"{major}.{minor}")
    if failed:
        sys.exit(f"failed on Python {', '.join(failed)}")


if __name__ == "__main__":
    main()
