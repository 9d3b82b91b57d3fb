"""Run most tests of behaviour with AddressSanitizer and UndefinedBehaviorSanitizer in the compiled parts.

Usage: python tools/sanitize.py [pytest's arguments]

Run it with the interpreter of an environment that has the extra ``test``. The compiled parts are built with the
sanitizers from a copy of the sources, under build/sanitize; the installed parts stay unchanged. Python allocates its
objects with malloc, so that a read beyond an object or of a freed object is detected. A report of any process fails the
run.

SANITIZE="tests/engine tests/core" chooses the folders or files. If the sanitizers are not available, valgrind
replaces them. It is about thirty times slower, so it runs only tests/engine/test_task_stepping.py by default.
SANITIZER=valgrind selects it.
"""

import hashlib
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from environment import ROOT, source_hash

BUILD_DIRECTORY = ROOT / "build" / "sanitize" / f"{sys.version_info.major}.{sys.version_info.minor}"
BUILD_INPUTS = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "src")
TEST_FOLDERS = [
    f"tests/{name}"
    for name in ("engine", "core", "reading", "framing", "writing", "stream", "closing", "serving", "connecting", "tls")
]
VALGRIND_FILES = ["tests/engine/test_task_stepping.py"]

# -UNDEBUG: enables the assertions in Python's headers, such as the types of macro arguments.
# -fno-wrapv: Python compiles its extensions with -fwrapv, which would hide an overflow.
# Without alignment: Python's allocators and the headers of some versions violate C's requirements.
SANITIZER_FLAGS = (
    "-fsanitize=address,undefined -fno-sanitize=alignment -fno-wrapv -fno-omit-frame-pointer -g -O1 -UNDEBUG"
)
VALGRIND_FLAGS = "-fno-omit-frame-pointer -g -O1 -UNDEBUG"

# Python frees many objects only at exit, which is not a leak. The soak test detects leaks of sluiceway.
ASAN_OPTIONS = "detect_leaks=0:handle_abort=1:detect_stack_use_after_return=1"

# UBSAN_OPTIONS=log_path affects only one of the two libraries. The reports of the other one would go to standard error,
# which pytest captures. Every Python of the run therefore sets the path of the other library itself.
SITECUSTOMIZE = """\
import ctypes, os
ctypes.CDLL(os.environ["SLUICEWAY_UBSAN"]).__sanitizer_set_report_path(os.environ["SLUICEWAY_REPORTS"].encode())
"""

# glibc compares wide strings in whole vectors, beyond their end but within the page.
SUPPRESSIONS = """\
{
   wide comparison
   Memcheck:Addr32
   fun:__wmemcmp_*
}
"""

# The factor for the timeouts of tests, because the program is slower and the machine may be busy.
TIMEOUT_SCALE = {"sanitizers": 4, "valgrind": 40}


class SetupError(Exception):
    """The tests cannot be run. The message is one line for the user."""


def compiler_library(name: str) -> str | None:
    """Return the path of a library of the compiler, such as libasan.so. None if the compiler does not have it."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    answer = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=False)
    # For a missing library, gcc prints the name without a path.
    path = pathlib.Path(answer.stdout.strip())
    return str(path.resolve()) if path.is_absolute() and path.exists() else None


def sanitizer_libraries() -> list[str]:
    """Return the libraries to load before Python. Empty if this machine cannot run a program with the sanitizers."""
    libraries = [compiler_library("libasan.so"), compiler_library("libubsan.so")]
    if sys.platform != "linux" or platform.python_implementation() != "CPython" or None in libraries:
        return []
    preloaded = [library for library in libraries if library is not None]
    environment = {**os.environ, "LD_PRELOAD": ":".join(preloaded), "ASAN_OPTIONS": ASAN_OPTIONS}
    probe = subprocess.run([sys.executable, "-c", ""], env=environment, capture_output=True, check=False)
    return preloaded if probe.returncode == 0 else []


def build(flags: str, kind: str) -> pathlib.Path:
    """Return a directory that contains sluiceway, with its compiled parts built with ``flags``."""
    site = BUILD_DIRECTORY / kind / "site"
    made_for = BUILD_DIRECTORY / kind / "made-for"
    python_files = b"".join(path.read_bytes() for path in sorted((ROOT / "src").rglob("*.py")))
    wanted = f"{flags} {sys.version} {source_hash()} {hashlib.sha256(python_files).hexdigest()}"
    if made_for.exists() and made_for.read_text() == wanted:
        return site
    shutil.rmtree(BUILD_DIRECTORY / kind, ignore_errors=True)
    source = BUILD_DIRECTORY / kind / "source"
    source.mkdir(parents=True)
    for name in BUILD_INPUTS:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
            )
        else:
            shutil.copy(ROOT / name, source / name)
    print(f"building the compiled parts with {flags}", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--target", str(site), str(source)]
    environment = {**os.environ, "CC": "gcc", "CFLAGS": flags, "LDFLAGS": flags}
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        raise SetupError("the compiled parts cannot be built with the sanitizers")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for module in ("_core_c/receiver", "_transports/epoll/stream_socket"):
        if not (site / "sluiceway" / f"{module}{suffix}").exists():
            raise SetupError(f"{module} was not compiled (Debian: apt-get install build-essential python3-dev)")
    made_for.write_text(wanted)
    return site


def test_environment(site: pathlib.Path, kind: str) -> dict[str, str]:
    return {
        **os.environ,
        "SLUICEWAY_ENGINE": "epoll",
        "SLUICEWAY_PURE": "0",
        "SLUICEWAY_TEST_REFERENCE": "0",
        "SLUICEWAY_TEST_TIMEOUT_SCALE": str(TIMEOUT_SCALE[kind]),
        "PYTHONPATH": str(site),
        "PYTHONMALLOC": "malloc",
    }


def timeout_options(kind: str) -> list[str]:
    """Return pytest's arguments for the timeout of a test."""
    return ["-o", f"timeout={60 * TIMEOUT_SCALE[kind]}"]


def check_tested_build(site: pathlib.Path, command: list[str], environment: dict[str, str]) -> None:
    """Raise SetupError if the tests would not use the new build."""
    program = "import sluiceway._transports.epoll.stream_socket as engine; print(engine.__file__)"
    found = subprocess.run([*command, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if not found.stdout.startswith(str(site)):
        raise SetupError(f"the imported engine is {found.stdout.strip() or 'none'}, not the one in {site}")


def read_reports(reports: pathlib.Path) -> list[str]:
    """Return the reports of all processes, each with the name of its file."""
    found = []
    for path in sorted(reports.iterdir()):
        text = path.read_text(errors="replace")
        if text.strip():
            found.append(f"===== {path.name}\n{text}")
    return found


def run_with_sanitizers(preloaded: list[str], chosen: list[str], arguments: list[str]) -> bool:
    site = build(SANITIZER_FLAGS, "sanitizers")
    with tempfile.TemporaryDirectory(prefix="sluiceway-sanitize-") as reports:
        environment = test_environment(site, "sanitizers")
        environment["LD_PRELOAD"] = ":".join(preloaded)
        environment["SLUICEWAY_UBSAN"] = preloaded[1]
        environment["SLUICEWAY_REPORTS"] = f"{reports}/report"
        environment["ASAN_OPTIONS"] = f"{ASAN_OPTIONS}:log_path={reports}/report"
        environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
        (site / "sitecustomize.py").write_text(SITECUSTOMIZE)
        command = [sys.executable]
        check_tested_build(site, command, environment)
        command += ["-m", "pytest", *timeout_options("sanitizers"), *arguments, *(chosen or TEST_FOLDERS)]
        passed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
        return report_result(passed, read_reports(pathlib.Path(reports)))


def run_with_valgrind(valgrind: str, chosen: list[str], arguments: list[str]) -> bool:
    site = build(VALGRIND_FLAGS, "valgrind")
    with tempfile.TemporaryDirectory(prefix="sluiceway-sanitize-") as reports:
        suppressed = site / "valgrind.supp"
        suppressed.write_text(SUPPRESSIONS)
        command = [valgrind, "--quiet", f"--log-file={reports}/report.%p", "--error-exitcode=99"]
        command.append(f"--suppressions={suppressed}")
        # The interpreter reads uninitialised memory on purpose, which would cause hundreds of reports.
        command += ["--undef-value-errors=no", "--trace-children=no", sys.executable]
        environment = test_environment(site, "valgrind")
        check_tested_build(site, command[-1:], environment)
        command += ["-m", "pytest", *timeout_options("valgrind"), *arguments, "-n", "0"]
        command += chosen or VALGRIND_FILES
        passed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
        return report_result(passed, read_reports(pathlib.Path(reports)))


def report_result(passed: bool, found: list[str]) -> bool:
    for report in found[:20]:
        print(report, file=sys.stderr)
    print(f"{len(found)} processes wrote a report" if found else "no process wrote a report", flush=True)
    return passed and not found


def main() -> None:
    chosen = shlex.split(os.environ.get("SANITIZE", ""))
    wanted = os.environ.get("SANITIZER", "")
    if wanted not in ("", "valgrind"):
        sys.exit(f"sluiceway: SANITIZER must be 'valgrind' or empty, not {wanted!r}")
    try:
        preloaded = [] if wanted == "valgrind" else sanitizer_libraries()
        valgrind = shutil.which("valgrind")
        if preloaded:
            passed = run_with_sanitizers(preloaded, chosen, sys.argv[1:])
        elif valgrind is not None:
            print("valgrind replaces the sanitizers" + ("" if wanted else ", which this gcc does not have"))
            passed = run_with_valgrind(valgrind, chosen, sys.argv[1:])
        else:
            raise SetupError("gcc's sanitizers and valgrind are not installed (Debian: apt-get install gcc valgrind)")
    except SetupError as error:
        sys.exit(f"sluiceway: {error}")
    if not passed:
        sys.exit("sluiceway: the run with the sanitizers failed")


if __name__ == "__main__":
    main()
