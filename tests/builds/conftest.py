"""The source distribution that the tests of builds share; tools/test.py runs them in one configuration only."""

import pathlib

import pytest

from builds.package_builds import build_sdist


@pytest.fixture(scope="session")
def sdist_path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return build_sdist(tmp_path_factory.mktemp("sdist"))
