"""Build the artefacts of a release, and test each of them installed alone in an empty environment.

Usage: python tools/release_check.py [--keep DIRECTORY]

Run it with the interpreter of an environment that has the extra ``release``. The source distribution is built in
isolation. The wheels are built from it: the compiled one, which auditwheel repairs on Linux, and the pure one. All
checks run before the script fails. The output contains the sizes and times.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINUX = sys.platform == "linux"

# Bytes; half of the CPU seconds, which is the time on two idle cores.
LARGEST_INSTALLED = 4_000_000
LARGEST_WHEEL = 1_500_000
LONGEST_BUILD = 30

BUILD_TIMEOUT = 600

# The port in the README's first program, and a line that it echoes.
FIRST_PORT = "8443"
LINE = b"hello\n"
ANSWER_TIMEOUT = 60

# The oldest and the newest Python, whose types pyright takes.
TYPED = ("3.11", "3.15")


class Report:
    """Prints each check and records the failures."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def check(self, name: str, passed: bool, detail: str = "") -> None:
        print(f"{'ok    ' if passed else 'FAILED'} {name}{': ' if detail else ''}{detail}", flush=True)
        if not passed:
            self.failed.append(name)


def run(*command: str | pathlib.Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICEWAY_", "PYTHON"))}
    return subprocess.run(
        command,
        env={**kept, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT,
        check=False,
    )


def build(report: Report, kind: str, source: pathlib.Path, directory: pathlib.Path, **environment: str) -> pathlib.Path:
    """Build one artefact in isolation and return its path. Exits if the build fails."""
    directory.mkdir()
    begin = time.monotonic()
    done = run(sys.executable, "-m", "build", f"--{kind}", "--outdir", directory, source, **environment)
    made = sorted(directory.iterdir())
    if done.returncode != 0 or len(made) != 1:
        sys.exit(f"FAILED to build the {kind}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    report.check(
        f"build of {made[0].name}", True, f"{time.monotonic() - begin:.0f} s, including the build requirements"
    )
    return made[0]


def compile_time(source: pathlib.Path, directory: pathlib.Path) -> float:
    """Return half of the CPU seconds of the compilation, with the build requirements installed."""
    begin = os.times()
    command = ("wheel", "--no-build-isolation", "--no-deps", "--no-cache-dir", "--wheel-dir", directory, source)
    done = run(sys.executable, "-m", "pip", *command, SLUICEWAY_BUILD="compiled")
    if done.returncode != 0:
        sys.exit(f"FAILED to compile:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    end = os.times()
    used = end.children_user + end.children_system - begin.children_user - begin.children_system
    return used / 2


def unpacked(archive: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    with tarfile.open(archive) as opened:
        opened.extractall(directory, filter="data")
    (top,) = directory.iterdir()
    return top


def repaired(report: Report, wheel: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Return the wheel to publish. On Linux, auditwheel adds the tags of the oldest compatible glibc."""
    if not LINUX:
        return wheel
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", directory, wheel, PATH=path)
    made = sorted(directory.glob("*.whl"))
    report.check("auditwheel", done.returncode == 0 and len(made) == 1, made[0].name if made else done.stderr[-1000:])
    return made[0] if made else wheel


def size_of(wheel: pathlib.Path) -> int:
    with zipfile.ZipFile(wheel) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def first_program() -> str:
    """Return the first Python program of the README."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def try_installed(report: Report, artefact: pathlib.Path, directory: pathlib.Path, implementation: str) -> None:
    """Install one artefact in an empty environment, and run the smoke test and the README's first program there."""
    venv.create(directory, with_pip=True)
    python = directory / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed = run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-deps", artefact)
    report.check(f"{artefact.name} is installed", installed.returncode == 0, installed.stderr[-2000:].strip())
    if implementation == "pure":
        check_types(report, directory, artefact)
    else:
        smoke = run(python, "-W", "error", ROOT / "tools" / "smoke.py")
        report.check(f"{artefact.name}: smoke test", smoke.returncode == 0, (smoke.stdout + smoke.stderr).strip())
    chosen = run(python, "-c", "import sluiceway; print(sluiceway.IMPLEMENTATION)").stdout.strip()
    report.check(f"{artefact.name}: {implementation}", chosen == implementation, chosen)
    answer = ask_first_program(python, directory)
    report.check(f"{artefact.name}: the README's first program echoes", answer == LINE, repr(answer))


def ask_first_program(python: pathlib.Path, directory: pathlib.Path) -> bytes:
    """Run the README's first program, an echo server, on an unused port. Return what it answers to LINE."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    program = directory / "first.py"
    program.write_text(first_program().replace(FIRST_PORT, str(port)), encoding="utf-8")
    server = subprocess.Popen([python, "-W", "error", program], stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + ANSWER_TIMEOUT
        while server.poll() is None and time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT) as client:
                    client.sendall(LINE)
                    return client.makefile("rb").readline()
            except ConnectionRefusedError:
                time.sleep(0.05)
        return b""
    finally:
        server.kill()
        server.wait()


def check_types(report: Report, directory: pathlib.Path, artefact: pathlib.Path) -> None:
    """Check that every public name, including the command line, has a type that pyright knows."""
    python = directory / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", f"{artefact}[cli]")
    # pyright uses the environment of the first python on PATH.
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    checker = pathlib.Path(sys.executable).parent / "basedpyright"
    for series in TYPED:
        options = ("--verifytypes", "sluiceway", "--ignoreexternal", "--pythonversion", series)
        found = run(checker, *options, PATH=path, VIRTUAL_ENV=str(directory)).stdout
        score = re.search(r"completeness score: (.*)", found)
        complete = score is not None and score[1] == "100%"
        report.check(f"types known to pyright, Python {series}", complete, score[1] if score else found[-2000:])


def version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def check_versions(report: Report, artefacts: list[pathlib.Path]) -> None:
    """Check that the artefacts and CHANGELOG have the version of pyproject.toml, with unreleased changes above it."""
    expected = version()
    for artefact in artefacts:
        report.check(f"{artefact.name} has the version", artefact.name.startswith(f"sluiceway-{expected}"), expected)
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = [heading.split()[0].strip("[]") for heading in headings]
    report.check(
        "CHANGELOG's newest version is that of the artefacts",
        bool(named) and named[0] in {"Unreleased", expected},
        named[0],
    )


def main() -> None:
    keep = pathlib.Path(sys.argv[2]).resolve() if sys.argv[1:2] == ["--keep"] and len(sys.argv) == 3 else None
    if sys.argv[1:] and keep is None:
        sys.exit(__doc__)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluiceway-release-") as name:
        directory = pathlib.Path(name)
        sdist = build(report, "sdist", ROOT, directory / "sdist")
        with tarfile.open(sdist) as archive:
            made = [entry for entry in archive.getnames() if re.search(r"/src/.*\.(c|so|pyd)$", entry)]
        report.check("the source distribution has no generated files", not made, " ".join(made))
        source = unpacked(sdist, directory / "source")
        seconds = compile_time(source, directory / "timed")
        report.check(
            f"compiling takes at most {LONGEST_BUILD} s on two cores", seconds <= LONGEST_BUILD, f"{seconds:.0f} s"
        )
        compiled = build(report, "wheel", source, directory / "compiled", SLUICEWAY_BUILD="compiled")
        compiled = repaired(report, compiled, directory / "repaired")
        pure = build(report, "wheel", source, directory / "pure", SLUICEWAY_BUILD="pure")
        report.check("the pure wheel has tags for every Python", pure.name.endswith("-py3-none-any.whl"))
        installed, packed = size_of(compiled), compiled.stat().st_size
        report.check("installed size", installed <= LARGEST_INSTALLED, f"{installed / 1e6:.1f} MB")
        report.check("wheel size", packed <= LARGEST_WHEEL, f"{packed / 1e6:.2f} MB")
        artefacts = [sdist, compiled, pure]
        twine = run(sys.executable, "-m", "twine", "check", "--strict", *artefacts)
        report.check("twine check", twine.returncode == 0, "" if twine.returncode == 0 else twine.stdout[-2000:])
        check_versions(report, artefacts)
        for index, (artefact, kind) in enumerate(zip(artefacts, ("compiled", "compiled", "pure"), strict=True)):
            try_installed(report, artefact, directory / f"environment{index}", kind)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for artefact in artefacts:
                shutil.copy(artefact, keep)
    if report.failed:
        sys.exit(f"{len(report.failed)} checks failed")


if __name__ == "__main__":
    main()
