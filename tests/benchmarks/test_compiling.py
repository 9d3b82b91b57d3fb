"""The programs that the benchmarks compile: when they are compiled again."""

import os
import pathlib
import subprocess

import pytest

from benchmarks import compiling
from support.external_programs import require_program

SOURCE = "int main(void) { return 0; }\n"


@pytest.fixture
def source(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    require_program("gcc")
    monkeypatch.setattr(compiling, "BUILD", tmp_path / "build")
    source = tmp_path / "program.c"
    source.write_text(SOURCE)
    return source


def compile_program(source: pathlib.Path) -> pathlib.Path:
    return compiling.compiled("program", [source], ["gcc", *compiling.C_FLAGS], [str(source)])


def test_program_is_compiled_again_only_for_a_newer_source(source: pathlib.Path) -> None:
    program = compile_program(source)
    first = program.stat()
    assert subprocess.run([program], check=False).returncode == 0
    assert compile_program(source).stat().st_ino == first.st_ino
    source.write_text(SOURCE.replace("0", "7"))
    os.utime(source, (first.st_mtime + 1, first.st_mtime + 1))
    assert subprocess.run([compile_program(source)], check=False).returncode == 7


def test_each_version_of_the_c_library_has_its_own_program(
    source: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make bench` compiles for the C library of Debian's newest Python, and `make test` for that of the machine."""
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 9.1")
    newer = compile_program(source)
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 9.0")
    older = compile_program(source)
    assert newer != older
    assert newer.exists()
    assert older.exists()


def test_failed_compilation_leaves_the_program_as_it_was(source: pathlib.Path) -> None:
    program = compile_program(source)
    first = program.stat()
    source.write_text("int main(void) { return }\n")
    os.utime(source, (first.st_mtime + 1, first.st_mtime + 1))
    with pytest.raises(subprocess.CalledProcessError):
        compile_program(source)
    assert program.stat().st_ino == first.st_ino
    assert os.listdir(program.parent) == ["program"]
