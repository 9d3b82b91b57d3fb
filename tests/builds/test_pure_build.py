"""Without a compiler sluiceway is installed pure, works, and says so; anything else that fails ends the build."""

import json
import pathlib
import re
import shutil
import zipfile

import pytest

from builds.package_builds import ROOT, build_wheel, install_sdist, require_compiler, run_pip, run_python

pytestmark = pytest.mark.timeout(300)

FALSE = shutil.which("false") or "false"

THERE_AND_BACK = """
import asyncio, socket, sluiceway

async def main():
    mine, others = socket.socketpair()
    reader, writer = await sluiceway.open_connection(sock=mine)
    others.sendall(b"line\\n")
    others.close()
    assert await reader.readline() == b"line\\n"
    writer.close()
    await writer.wait_closed()

asyncio.run(main())
print(sluiceway.IMPLEMENTATION, sluiceway.ENGINE, sluiceway.__file__)
"""


def broken_cython(directory: pathlib.Path, what: str) -> str:
    """Make a Cython that fails, to be put before the real one; return where it is."""
    package = directory / "broken" / "Cython"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no Cython')\n" if what == "missing" else "")
    (package / "Build.py").write_text("def cythonize(*_, **__):\n    raise RuntimeError('cannot be translated')\n")
    return str(package.parent)


def without(what: str, directory: pathlib.Path) -> dict[str, str | None]:
    """Return the variables under which ``what`` is not to be had."""
    if what == "a compiler that works":
        return {"CC": FALSE}
    if what == "a compiler":
        (directory / "empty").mkdir()
        return {"PATH": str(directory / "empty")}
    return {"PYTHONPATH": broken_cython(directory, "missing" if what == "Cython" else "failing")}


def test_it_is_installed_pure_without_a_compiler(sdist_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    wheel = build_wheel(sdist_path, tmp_path, **without("a compiler", tmp_path))
    # pip's cache gives a wheel to every environment that its tags fit: one for a platform would be taken for compiled.
    assert wheel.name.endswith("-py3-none-any.whl")
    installed = install_sdist(wheel, tmp_path)

    implementation, engine, place = run_python(installed, "-c", THERE_AND_BACK).split()
    assert (implementation, engine) == ("pure", "loop")
    assert pathlib.Path(place).is_relative_to(installed)

    told = run_python(installed, "-m", "sluiceway.cli", "doctor")
    assert told.count("nothing was compiled when sluiceway was installed") == 1
    assert told.count("install a C compiler and Python's headers") == 1
    document = json.loads(run_python(installed, "-m", "sluiceway.cli", "doctor", "--json"))
    assert document["implementation"]["core"]["in_use"] == "pure"
    assert [advice["about"] for advice in document["advice"] if "compiler" in advice["text"]] == ["implementation.core"]


@pytest.mark.parametrize("choice", [None, "compiled"])
@pytest.mark.parametrize("what", ["a compiler that works", "Cython", "a Cython that works"])
def test_a_part_that_cannot_be_compiled_ends_the_build(
    what: str, choice: str | None, sdist_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    result = run_pip("wheel", sdist_path, cwd=tmp_path, SLUICEWAY_BUILD=choice, **without(what, tmp_path))
    assert result.returncode != 0
    assert list(tmp_path.glob("*.whl")) == []


def test_a_failed_compilation_names_the_part_and_the_compilers_first_error(
    sdist_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    require_compiler()
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nexec gcc -DPy_PYTHON_H -D"PyObject=no such thing" "$@"\n')
    compiler.chmod(0o755)
    result = run_pip("wheel", sdist_path, cwd=tmp_path, CC=str(compiler))
    assert result.returncode != 0
    (line,) = re.findall(r"^.*sluiceway: .* cannot be compiled: .*$", result.stdout + result.stderr, re.MULTILINE)
    assert re.search(r"sluiceway: sluiceway\._core_c\.\w+ cannot be compiled: .*\w\.c:\d+:\d+: error: ", line)
    assert "or set SLUICEWAY_BUILD=pure" in result.stdout + result.stderr


def test_a_pure_wheel_is_for_every_python(sdist_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = build_wheel(sdist_path, tmp_path, SLUICEWAY_BUILD="pure")
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as archive:
        assert "sluiceway/py.typed" in archive.namelist()


def test_where_compiling_was_asked_for_a_missing_compiler_ends_the_build(
    sdist_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    variables = without("a compiler", tmp_path)
    result = run_pip("wheel", sdist_path, cwd=tmp_path, SLUICEWAY_BUILD="compiled", **variables)
    assert result.returncode != 0
    assert list(tmp_path.glob("*.whl")) == []


def test_a_wish_that_nobody_knows(tmp_path: pathlib.Path, sdist_path: pathlib.Path) -> None:
    result = run_pip("wheel", sdist_path, cwd=tmp_path, SLUICEWAY_BUILD="fast")
    assert result.returncode != 0
    assert "SLUICEWAY_BUILD is compiled or pure, not 'fast'" in result.stdout + result.stderr


def test_the_build_needs_nothing_beside_what_it_names() -> None:
    """The test extra brings for builds without isolation what pip brings for those with it."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {requirement.lower() for requirement in project["build-system"]["requires"]}
    assert needed <= set(project["project"]["optional-dependencies"]["test"])
