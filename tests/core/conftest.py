"""The core as the tests of this folder are given it: they never import what they test, so that each build of the core
is one more parameter."""

import importlib
import importlib.util
import types

import pytest

# Modules with the names of sluiceway._core: the source itself, and the same compiled, where it could be.
COMPILED = "sluiceway._core_c"
CORES = ["sluiceway._core"]
if importlib.util.find_spec(f"{COMPILED}.receiver") is not None:
    CORES.append(COMPILED)


@pytest.fixture(params=CORES, scope="session")
def core(request: pytest.FixtureRequest) -> types.ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def compiled_core() -> types.ModuleType:
    """For what only the compiled core has."""
    if COMPILED not in CORES:
        pytest.skip("the core is not compiled")
    return importlib.import_module(COMPILED)
