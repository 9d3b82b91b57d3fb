"""The modules of one variant of the core, pure or compiled, for tests that take the fixture ``core``."""

import importlib
import types


def core_module(core: types.ModuleType, name: str) -> types.ModuleType:
    """Return the module ``name`` of this variant."""
    return importlib.import_module(f"{core.__name__}.{name}")


def is_compiled(core: types.ModuleType) -> bool:
    return core.__name__.endswith("_core_c")
