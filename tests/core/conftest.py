"""The fixture ``core``: both variants of the core, pure and compiled. Tests do not import the core themselves."""

import importlib
import importlib.util
import types

import pytest

# Both packages have the same names.
COMPILED = "sluiceway._core_c"
CORES = ["sluiceway._core"]
if importlib.util.find_spec(f"{COMPILED}.receiver") is not None:
    CORES.append(COMPILED)


@pytest.fixture(params=CORES, scope="session")
def core(request: pytest.FixtureRequest) -> types.ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def compiled_core() -> types.ModuleType:
    """Return the compiled core; skip where it is not built."""
    if COMPILED not in CORES:
        pytest.skip("the core is not compiled")
    return importlib.import_module(COMPILED)
