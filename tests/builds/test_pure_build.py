"""Without a compiler sluiceway is installed pure, works and reports it; any other failure ends the build."""

import json
import pathlib
import re
import shutil
import zipfile

import pytest

from builds.package_builds import (
    BUILD_TIMEOUT,
    ROOT,
    build_wheel,
    copy_translated_sources,
    install_sdist,
    run_pip,
    run_python,
)

pytestmark = pytest.mark.timeout(2 * BUILD_TIMEOUT)

FALSE = shutil.which("false") or "false"

RECEIVE_ONE_LINE = """
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


def broken_cython(directory: pathlib.Path, missing: str) -> str:
    """Create a Cython package that fails, for use before the real one; return its parent folder."""
    package = directory / "broken" / "Cython"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no Cython')\n" if missing == "missing" else "")
    (package / "Build.py").write_text("def cythonize(*_, **__):\n    raise RuntimeError('cannot be translated')\n")
    return str(package.parent)


def environment_without(missing: str, directory: pathlib.Path) -> dict[str, str | None]:
    """Return the variables under which ``missing`` is not available."""
    if missing == "a working compiler":
        return {"CC": FALSE}
    if missing == "a compiler":
        (directory / "empty").mkdir()
        return {"PATH": str(directory / "empty")}
    return {"PYTHONPATH": broken_cython(directory, "missing" if missing == "Cython" else "failing")}


def test_installation_without_compiler_is_pure_and_reported_by_doctor(
    sdist_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    wheel = build_wheel(sdist_path, tmp_path, **environment_without("a compiler", tmp_path))
    # pip reuses a cached wheel by its tags: a pure wheel with a platform tag would replace a compiled one.
    assert wheel.name.endswith("-py3-none-any.whl")
    installed = install_sdist(wheel, tmp_path)

    implementation, engine, place = run_python(installed, "-c", RECEIVE_ONE_LINE).split()
    assert (implementation, engine) == ("pure", "loop")
    assert pathlib.Path(place).is_relative_to(installed)

    report = run_python(installed, "-m", "sluiceway", "doctor")
    assert report.count("this installation has no compiled files") == 1
    assert report.count("install a C compiler and Python's headers") == 1
    document = json.loads(run_python(installed, "-m", "sluiceway", "doctor", "--json"))
    assert document["implementation"]["core"]["in_use"] == "pure"
    assert [advice["about"] for advice in document["advice"] if "compiler" in advice["text"]] == ["implementation.core"]


@pytest.mark.parametrize("missing", ["Cython", "a working Cython"])
def test_failed_translation_fails_build(missing: str, sdist_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    result = run_pip("wheel", sdist_path, cwd=tmp_path, **environment_without(missing, tmp_path))
    assert result.returncode != 0
    assert list(tmp_path.glob("*.whl")) == []


def test_failed_compilation_fails_build(wheel_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    sources = copy_translated_sources(wheel_path, tmp_path)
    result = run_pip("wheel", sources, cwd=tmp_path, **environment_without("a working compiler", tmp_path))
    assert result.returncode != 0
    assert " cannot be compiled: " in result.stdout + result.stderr
    assert list(tmp_path.glob("*.whl")) == []


def test_failed_compilation_is_reported_with_module_and_first_error(
    wheel_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    sources = copy_translated_sources(wheel_path, tmp_path)
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nexec gcc -DPy_PYTHON_H -D"PyObject=no such thing" "$@"\n')
    compiler.chmod(0o755)
    result = run_pip("wheel", sources, cwd=tmp_path, CC=str(compiler))
    assert result.returncode != 0
    (line,) = re.findall(r"^.*sluiceway: .* cannot be compiled: .*$", result.stdout + result.stderr, re.MULTILINE)
    assert re.search(r"sluiceway: sluiceway\._core_c\.\w+ cannot be compiled: .*\w\.c:\d+:\d+: error: ", line)
    assert "or set SLUICEWAY_BUILD=pure" in result.stdout + result.stderr


def test_pure_wheel_has_tag_for_every_python(sdist_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = build_wheel(sdist_path, tmp_path, SLUICEWAY_BUILD="pure")
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as archive:
        assert "sluiceway/py.typed" in archive.namelist()


def test_missing_compiler_fails_build_if_compiled_is_requested(
    wheel_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    sources, variables = copy_translated_sources(wheel_path, tmp_path), environment_without("a compiler", tmp_path)
    result = run_pip("wheel", sources, cwd=tmp_path, SLUICEWAY_BUILD="compiled", **variables)
    assert result.returncode != 0
    assert list(tmp_path.glob("*.whl")) == []


def test_unknown_build_choice_fails_build(tmp_path: pathlib.Path, sdist_path: pathlib.Path) -> None:
    result = run_pip("wheel", sdist_path, cwd=tmp_path, SLUICEWAY_BUILD="fast")
    assert result.returncode != 0
    assert "SLUICEWAY_BUILD must be 'compiled', 'pure' or empty, not 'fast'" in result.stdout + result.stderr


def test_test_extra_has_build_requirements() -> None:
    """The tests build without isolation, so the extra ``test`` must have what pip would install."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {requirement.lower() for requirement in project["build-system"]["requires"]}
    assert needed <= set(project["project"]["optional-dependencies"]["test"])
