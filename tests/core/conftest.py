"""The fixture ``core``: each variant of the core, pure and compiled. Tests do not import the core themselves.

With SLUICEWAY_PURE=1 or 0 it is the variant of that configuration alone.
"""

import importlib
import os
import types

import pytest

from support.package import module_exists

# Both packages have the same names.
PURE = "sluiceway._core"
COMPILED = "sluiceway._core_c"
IS_COMPILED = module_exists(f"{COMPILED}.receiver")
CORES = {"1": [PURE], "0": [COMPILED]}.get(
    os.environ.get("SLUICEWAY_PURE", ""), [PURE, COMPILED] if IS_COMPILED else [PURE]
)


@pytest.fixture(params=CORES, scope="session")
def core(request: pytest.FixtureRequest) -> types.ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def compiled_core() -> types.ModuleType:
    """Return the compiled core; skip where it is not built."""
    if not IS_COMPILED:
        pytest.skip("the core is not compiled")
    return importlib.import_module(COMPILED)
