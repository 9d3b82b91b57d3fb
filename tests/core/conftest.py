"""The core as the tests of this folder are given it: they never import what they test, so that each build of the core
is one more parameter."""

import importlib
import types

import pytest

# Modules with the names of penstock._core. A compiled twin goes here.
CORES = ("penstock._core",)


@pytest.fixture(params=CORES, scope="session")
def core(request: pytest.FixtureRequest) -> types.ModuleType:
    return importlib.import_module(request.param)
