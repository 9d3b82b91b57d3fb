"""Run the benchmarks with an optimised interpreter, and write the tables and the chart.

Usage: python tools/bench.py [--this] [arguments of benchmarks run]

Distributions build CPython with profile-guided optimisation. An interpreter without it changes the ratios, since it
makes asyncio slower more than it makes compiled code slower. The script takes the running interpreter if it is
optimised, or else the best other one that interpreters.py finds: preferably CPython 3.14, for which all contenders
have packages. ``--this`` takes the running interpreter in any case.
"""

import pathlib
import subprocess
import sys

from interpreters import Interpreter, interpreters

HERE = pathlib.Path(__file__).resolve().parent
PREFERRED = (3, 14)
PROBE = HERE.parent / "benchmarks" / "optimisation.py"


def is_optimised(interpreter: Interpreter) -> bool:
    answer = subprocess.run(interpreter.command("-I", PROBE), capture_output=True, text=True, check=False)
    return answer.stdout.strip() == "True"


def chosen() -> Interpreter:
    """Return the interpreter to measure with. Writes a line to standard error if it is not optimised."""
    this = Interpreter(pathlib.Path(sys.executable))
    found = interpreters()
    ordered = sorted(found, key=lambda series: (series != PREFERRED, series))
    for interpreter in (this, *(found[series] for series in ordered)):
        if is_optimised(interpreter):
            return interpreter
    print("no optimised interpreter was found; the ratios to asyncio will be lower than users see", file=sys.stderr)
    return this


def main() -> None:
    arguments = sys.argv[1:]
    interpreter = Interpreter(pathlib.Path(sys.executable)) if "--this" in arguments else chosen()
    arguments = [argument for argument in arguments if argument != "--this"]
    print(f"measuring with {interpreter}", file=sys.stderr)
    made = subprocess.run(
        interpreter.command(HERE / "environment.py", "bench"),
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        sys.exit(made.returncode)
    program = Interpreter(pathlib.Path(made.stdout.strip()) / "python", interpreter.entry)
    for step in (["run", *arguments], ["report"]):
        stdout = subprocess.DEVNULL if step == ["report"] else None
        done = subprocess.run(program.command("-m", "benchmarks", *step), cwd=HERE.parent, stdout=stdout, check=False)
        if done.returncode != 0:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
