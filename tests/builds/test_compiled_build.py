"""A source distribution has what a build needs, and the wheel that it makes is compiled, typed and clean."""

import pathlib
import re
import sys
import sysconfig
import tarfile
import tomllib
import zipfile

import pytest

from builds.package_builds import ROOT, build_wheel, require_compiler, run_command, run_python

pytestmark = pytest.mark.timeout(300)

PACKAGE = ROOT / "src" / "sluiceway"

# What compilers report where a function of Python's is gone, has other types, or is deprecated. The wheel of these
# tests is built with them as errors.
WARNINGS = (
    "-Werror=implicit-function-declaration",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
    "-Werror=deprecated-declarations",
)


def names(kinds: tuple[str, ...]) -> set[str]:
    """Return the package's files of these kinds, relative to where the package lies."""
    found = (path.relative_to(PACKAGE.parent).as_posix() for kind in kinds for path in PACKAGE.rglob(kind))
    return {name for name in found if "__pycache__" not in name}


def to_be_compiled() -> set[str]:
    """Return the modules that have a compiled form on this system."""
    sources = [path for path in (PACKAGE / "_core").glob("*.py") if path.stem != "__init__"]
    core = {f"sluiceway/_core_c/{path.stem}" for path in [*sources, *(PACKAGE / "_core_c").glob("*.pyx")]}
    engine = {f"sluiceway/_transports/epoll/{path.stem}" for path in (PACKAGE / "_transports/epoll").glob("*.pyx")}
    return core | engine if sys.platform == "linux" else core


def test_the_source_distribution_is_whole(sdist_path: pathlib.Path) -> None:
    with tarfile.open(sdist_path) as archive:
        (top,) = {name.partition("/")[0] for name in archive.getnames()}
        found = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    package = {f"src/{name}" for name in names(("*.py", "*.pxd", "*.pyx", "*.pyi", "py.typed"))}
    assert "src/sluiceway/py.typed" in package
    assert package - found == set()
    beside = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "docs/index.md")
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    tools = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tools").glob("*.*")}
    assert {*beside, *tests, *tools} - found == set()
    # The benchmarks are written in C, in part; nothing else is that was not made by a build.
    made = re.compile(r"\.(c|so|pyc|pyd|html)$|__pycache__")
    assert [name for name in found if made.search(name) and not re.match(r"benchmarks/.*\.c$", name)] == []


@pytest.fixture(scope="module")
def wheel_path(sdist_path: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    require_compiler()
    flags = " ".join(("-O0", *WARNINGS))
    return build_wheel(sdist_path, tmp_path_factory.mktemp("wheel"), SLUICEWAY_BUILD="compiled", CFLAGS=flags)


@pytest.mark.parametrize(
    "code",
    [
        "void *f(void *weak) { return PyWeakref_GetObject(weak); }",
        "void f(int *number, char *text) { number = text; }",
        "__attribute__((deprecated)) void old(void); void f(void) { old(); }",
    ],
    ids=["undeclared", "mistyped", "deprecated"],
)
def test_warnings_of_the_wheels_build_are_errors(wheel_path: pathlib.Path, code: str, tmp_path: pathlib.Path) -> None:
    """So the wheel, which was built, has no such use."""
    source = tmp_path / "code.c"
    source.write_text(code)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    assert run_command(compiler, "-fsyntax-only", *WARNINGS, source, cwd=tmp_path).returncode != 0


def test_a_wheel_holds_the_package_and_its_compiled_modules(wheel_path: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel_path) as archive:
        found = {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}
    compiled = {name for name in found if name.endswith((".so", ".pyd"))}
    assert {name.partition(".")[0] for name in compiled} == to_be_compiled()
    assert found - compiled == names(("*.py", "*.pxd", "*.pyx", "*.pyi", "py.typed"))


def test_a_wheel_passes_the_check_that_those_for_others_are_given(
    wheel_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel_path) as archive:
        archive.extractall(installed)
    engine = "epoll" if sys.platform == "linux" else "loop"
    assert re.fullmatch(rf"sluiceway \S+: compiled, {engine}\n", run_python(installed, ROOT / "tools" / "smoke.py"))
    place = run_python(installed, "-c", "import sluiceway; print(sluiceway.__file__)").strip()
    assert pathlib.Path(place).is_relative_to(installed)


def test_wheels_are_made_for_the_pythons_that_are_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["project"]["classifiers"]))
    cibuildwheel = project["tool"]["cibuildwheel"]
    assert cibuildwheel["build"] == [f"cp3{minor}-*" for minor in named]
    machines = {system: cibuildwheel[system]["archs"] for system in ("linux", "macos", "windows")}
    assert machines == {"linux": ["x86_64", "aarch64"], "macos": ["x86_64", "arm64"], "windows": ["AMD64"]}
    assert cibuildwheel["environment"] == {"SLUICEWAY_BUILD": "compiled"}
    assert (ROOT / cibuildwheel["test-command"].partition("{project}/")[2]).is_file()
