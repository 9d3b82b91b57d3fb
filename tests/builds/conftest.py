"""What the tests of builds share, each built once in a run; tools/test.py runs them in one configuration only."""

import functools
import pathlib

import pytest

from builds.package_builds import build_compiled_wheel, build_sdist, require_compiler
from support.shared_folders import make_once


@pytest.fixture(scope="session")
def sdist_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    (path,) = make_once(tmp_path_factory, "sdist", build_sdist).glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def wheel_path(sdist_path: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return the compiled wheel, beside the sources that it was built from; see ``copy_translated_sources``."""
    require_compiler()
    build = functools.partial(build_compiled_wheel, sdist_path)
    (path,) = make_once(tmp_path_factory, "wheel", build).glob("*.whl")
    return path
