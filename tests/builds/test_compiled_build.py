"""The source distribution is complete, and the wheel built from it is compiled, typed and free of warnings."""

import email
import pathlib
import re
import sys
import sysconfig
import tarfile
import tomllib
import zipfile

import pytest

from builds.package_builds import BUILD_TIMEOUT, ROOT, WARNINGS, run_command, run_python

pytestmark = pytest.mark.timeout(2 * BUILD_TIMEOUT)

PACKAGE = ROOT / "src" / "sluiceway"


def package_files(kinds: tuple[str, ...]) -> set[str]:
    """Return the package's files that match these patterns, relative to the folder of the package."""
    members = (path.relative_to(PACKAGE.parent).as_posix() for kind in kinds for path in PACKAGE.rglob(kind))
    return {name for name in members if "__pycache__" not in name}


def compiled_modules() -> set[str]:
    """Return the modules that are compiled on this system."""
    sources = [path for path in (PACKAGE / "_core").glob("*.py") if path.stem != "__init__"]
    core = {f"sluiceway/_core_c/{path.stem}" for path in [*sources, *(PACKAGE / "_core_c").glob("*.pyx")]}
    engine = {f"sluiceway/_transports/epoll/{path.stem}" for path in (PACKAGE / "_transports/epoll").glob("*.pyx")}
    return core | engine if sys.platform == "linux" else core


def test_source_distribution_has_every_file_and_no_generated_one(sdist_path: pathlib.Path) -> None:
    with tarfile.open(sdist_path) as archive:
        (top,) = {name.partition("/")[0] for name in archive.getnames()}
        members = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    package = {f"src/{name}" for name in package_files(("*.py", "*.pxd", "*.pyx", "*.pyi", "py.typed"))}
    assert "src/sluiceway/py.typed" in package
    assert package - members == set()
    other_files = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "docs/index.md")
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    tools = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tools").glob("*.*")}
    assert {*other_files, *tests, *tools} - members == set()
    # Except for the C files of the benchmarks, there are no generated files.
    generated = re.compile(r"\.(c|so|pyc|pyd|html)$|__pycache__")
    assert [name for name in members if generated.search(name) and not re.match(r"benchmarks/.*\.c$", name)] == []


@pytest.mark.parametrize(
    "code",
    [
        "void *f(void *weak) { return PyWeakref_GetObject(weak); }",
        "void f(int *number, char *text) { number = text; }",
        "__attribute__((deprecated)) void old(void); void f(void) { old(); }",
    ],
    ids=["undeclared", "mistyped", "deprecated"],
)
def test_removed_changed_or_deprecated_function_fails_wheel_build(
    wheel_path: pathlib.Path, code: str, tmp_path: pathlib.Path
) -> None:
    """The wheel was built with these flags, so it uses no such function."""
    source = tmp_path / "code.c"
    source.write_text(code)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    assert run_command(compiler, "-fsyntax-only", *WARNINGS, source, cwd=tmp_path).returncode != 0


def test_wheel_has_package_files_and_compiled_modules(wheel_path: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel_path) as archive:
        members = {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}
    compiled = {name for name in members if name.endswith((".so", ".pyd"))}
    assert {name.partition(".")[0] for name in compiled} == compiled_modules()
    assert members - compiled == package_files(("*.py", "*.pxd", "*.pyx", "*.pyi", "py.typed"))


def test_wheel_passes_smoke_check_of_releases(wheel_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel_path) as archive:
        archive.extractall(installed)
    engine = "epoll" if sys.platform == "linux" else "loop"
    assert re.fullmatch(rf"sluiceway \S+: compiled, {engine}\n", run_python(installed, ROOT / "tools" / "smoke.py"))
    place = run_python(installed, "-c", "import sluiceway; print(sluiceway.__file__)").strip()
    assert pathlib.Path(place).is_relative_to(installed)


def test_description_of_wheel_has_no_relative_links(wheel_path: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel_path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    description = metadata.get_payload()
    assert "text/markdown" in metadata["Description-Content-Type"]
    assert isinstance(description, str)
    assert description.startswith("# sluiceway")
    assert [link for link in re.findall(r"\]\(([^)]*)\)", description) if not link.startswith("https:")] == []


def test_wheels_are_configured_for_pythons_of_classifiers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    minor_versions = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["project"]["classifiers"]))
    cibuildwheel = project["tool"]["cibuildwheel"]
    assert cibuildwheel["build"] == [f"cp3{minor}-*" for minor in minor_versions]
    machines = {system: cibuildwheel[system]["archs"] for system in ("linux", "macos", "windows")}
    assert machines == {"linux": ["x86_64", "aarch64"], "macos": ["x86_64", "arm64"], "windows": ["AMD64"]}
    assert cibuildwheel["environment"] == {"SLUICEWAY_BUILD": "compiled"}
    assert (ROOT / cibuildwheel["test-command"].partition("{project}/")[2]).is_file()
