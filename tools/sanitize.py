"""Run the tests of behaviour on compiled parts that watch themselves: AddressSanitizer and UndefinedBehaviorSanitizer.

Usage: python tools/sanitize.py [pytest's arguments]

Run by the interpreter of an environment that has the extra ``test``. The compiled parts are built once more, with the
checks, from a copy of the sources under build/sanitize; what is installed stays as it is. Python's objects come from
malloc, so that a read beyond one, or of one that is gone, is seen. Whatever a process writes as a report fails the run.

SANITIZE="tests/engine tests/core" chooses the folders or files. Where the sanitizers cannot be had, valgrind takes
their place, with tests/engine/test_steps.py alone if nothing else is chosen, for it is some thirty times slower;
SANITIZER=valgrind asks for it.
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

from environment import ROOT, compiled_from

HOME = ROOT / "build" / "sanitize" / f"{sys.version_info.major}.{sys.version_info.minor}"
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "src")
FOLDERS = [
    f"tests/{name}" for name in ("engine", "core", "reading", "writing", "closing", "serving", "connecting", "tls")
]
FOR_VALGRIND = ["tests/engine/test_steps.py"]

# -UNDEBUG: the assertions in Python's own headers, such as the type of what an unchecked macro is given.
# -fno-wrapv: Python has its extensions compiled with overflow that wraps, which would hide that it happens.
# Alignment is left out: Python's allocators and the headers of some versions do not keep what C asks for.
SANITIZED = "-fsanitize=address,undefined -fno-sanitize=alignment -fno-wrapv -fno-omit-frame-pointer -g -O1 -UNDEBUG"
OBSERVABLE = "-fno-omit-frame-pointer -g -O1 -UNDEBUG"

# Python keeps much until its end, which is no leak; what sluiceway loses is measured by the soak.
ASAN_OPTIONS = "detect_leaks=0:handle_abort=1:detect_stack_use_after_return=1"

# The two libraries share what UBSAN_OPTIONS=log_path would set: the second one's reports would go to standard error,
# where pytest keeps them to itself. Every Python of the run says it to the second itself.
SITECUSTOMIZE = """\
import ctypes, os
ctypes.CDLL(os.environ["SLUICEWAY_UBSAN"]).__sanitizer_set_report_path(os.environ["SLUICEWAY_REPORTS"].encode())
"""

# glibc compares wide strings by whole vectors, beyond their end but never beyond the page.
SUPPRESSED = """\
{
   wide comparison
   Memcheck:Addr32
   fun:__wmemcmp_*
}
"""

# Each test's own limit, in multiples of the usual: for a slower program on a machine that may be busy.
PATIENCE = {"sanitizers": 4, "valgrind": 40}


class CannotError(Exception):
    """The run cannot be made; the message is the one line that the user needs."""


def runtime(name: str) -> str | None:
    """Return the path of a library of the compiler's, such as libasan.so; None where it has none."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    answer = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=False)
    # A library that is not there is answered with its bare name.
    path = pathlib.Path(answer.stdout.strip())
    return str(path.resolve()) if path.is_absolute() and path.exists() else None


def sanitizers() -> list[str]:
    """Return what has to be loaded before Python; none where this machine cannot run a program with the sanitizers."""
    libraries = [runtime("libasan.so"), runtime("libubsan.so")]
    if sys.platform != "linux" or platform.python_implementation() != "CPython" or None in libraries:
        return []
    preloaded = [library for library in libraries if library is not None]
    environment = {**os.environ, "LD_PRELOAD": ":".join(preloaded), "ASAN_OPTIONS": ASAN_OPTIONS}
    tried = subprocess.run([sys.executable, "-c", ""], env=environment, capture_output=True, check=False)
    return preloaded if tried.returncode == 0 else []


def build(flags: str, kind: str) -> pathlib.Path:
    """Return a directory with sluiceway in it, its compiled parts built with ``flags``."""
    site = HOME / kind / "site"
    made_for = HOME / kind / "made-for"
    python_files = b"".join(path.read_bytes() for path in sorted((ROOT / "src").rglob("*.py")))
    wanted = f"{flags} {sys.version} {compiled_from()} {hashlib.sha256(python_files).hexdigest()}"
    if made_for.exists() and made_for.read_text() == wanted:
        return site
    shutil.rmtree(HOME / kind, ignore_errors=True)
    source = HOME / kind / "source"
    source.mkdir(parents=True)
    for name in SOURCES:
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
        raise CannotError("the compiled parts cannot be built with the checks")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for module in ("_core_c/receiver", "_transports/epoll/stream_socket"):
        # Extensions are optional to the build; here they are what it is about.
        if not (site / "sluiceway" / f"{module}{suffix}").exists():
            raise CannotError(f"{module} was not compiled (Debian: apt-get install build-essential python3-dev)")
    made_for.write_text(wanted)
    return site


def environment_of(site: pathlib.Path, kind: str) -> dict[str, str]:
    return {
        **os.environ,
        "SLUICEWAY_ENGINE": "epoll",
        "SLUICEWAY_PURE": "0",
        "SLUICEWAY_TEST_REFERENCE": "0",
        "SLUICEWAY_TEST_PATIENCE": str(PATIENCE[kind]),
        "PYTHONPATH": str(site),
        "PYTHONMALLOC": "malloc",
    }


def limit(kind: str) -> list[str]:
    """Return pytest's arguments for the time that a test may take as a whole."""
    return ["-o", f"timeout={60 * PATIENCE[kind]}"]


def check_what_is_tested(site: pathlib.Path, command: list[str], environment: dict[str, str]) -> None:
    """Raise CannotError if the tests would run on anything but what was just built."""
    program = "import sluiceway._transports.epoll.stream_socket as engine; print(engine.__file__)"
    found = subprocess.run([*command, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if not found.stdout.startswith(str(site)):
        raise CannotError(f"the engine that runs is {found.stdout.strip() or 'none'} and not the one in {site}")


def told(reports: pathlib.Path) -> list[str]:
    """Return the reports that processes have written, each with the name of its file."""
    found = []
    for path in sorted(reports.iterdir()):
        text = path.read_text(errors="replace")
        if text.strip():
            found.append(f"===== {path.name}\n{text}")
    return found


def with_sanitizers(preloaded: list[str], chosen: list[str], arguments: list[str]) -> bool:
    site = build(SANITIZED, "sanitizers")
    with tempfile.TemporaryDirectory(prefix="sluiceway-sanitize-") as reports:
        environment = environment_of(site, "sanitizers")
        environment["LD_PRELOAD"] = ":".join(preloaded)
        environment["SLUICEWAY_UBSAN"] = preloaded[1]
        environment["SLUICEWAY_REPORTS"] = f"{reports}/report"
        environment["ASAN_OPTIONS"] = f"{ASAN_OPTIONS}:log_path={reports}/report"
        environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
        (site / "sitecustomize.py").write_text(SITECUSTOMIZE)
        command = [sys.executable]
        check_what_is_tested(site, command, environment)
        command += ["-m", "pytest", *limit("sanitizers"), *arguments, *(chosen or FOLDERS)]
        passed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
        return verdict(passed, told(pathlib.Path(reports)))


def with_valgrind(valgrind: str, chosen: list[str], arguments: list[str]) -> bool:
    site = build(OBSERVABLE, "valgrind")
    with tempfile.TemporaryDirectory(prefix="sluiceway-sanitize-") as reports:
        suppressed = site / "valgrind.supp"
        suppressed.write_text(SUPPRESSED)
        command = [valgrind, "--quiet", f"--log-file={reports}/report.%p", "--error-exitcode=99"]
        command.append(f"--suppressions={suppressed}")
        # The interpreter looks at memory that it has not written, on purpose; that would be told by the hundred.
        command += ["--undef-value-errors=no", "--trace-children=no", sys.executable]
        environment = environment_of(site, "valgrind")
        check_what_is_tested(site, command[-1:], environment)
        command += ["-m", "pytest", *limit("valgrind"), *arguments, "-n", "0"]
        command += chosen or FOR_VALGRIND
        passed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
        return verdict(passed, told(pathlib.Path(reports)))


def verdict(passed: bool, found: list[str]) -> bool:
    for report in found[:20]:
        print(report, file=sys.stderr)
    print(f"{len(found)} processes wrote a report" if found else "no process wrote a report", flush=True)
    return passed and not found


def main() -> None:
    chosen = shlex.split(os.environ.get("SANITIZE", ""))
    wanted = os.environ.get("SANITIZER", "")
    if wanted not in ("", "valgrind"):
        sys.exit(f"sluiceway: SANITIZER is valgrind or nothing, not {wanted!r}")
    try:
        preloaded = [] if wanted == "valgrind" else sanitizers()
        valgrind = shutil.which("valgrind")
        if preloaded:
            passed = with_sanitizers(preloaded, chosen, sys.argv[1:])
        elif valgrind is not None:
            print("valgrind takes the place of the sanitizers" + ("" if wanted else ", which gcc has not got here"))
            passed = with_valgrind(valgrind, chosen, sys.argv[1:])
        else:
            raise CannotError("neither gcc's sanitizers nor valgrind are here (Debian: apt-get install gcc valgrind)")
    except CannotError as error:
        sys.exit(f"sluiceway: {error}")
    if not passed:
        sys.exit("sluiceway: failed under the checks")


if __name__ == "__main__":
    main()
