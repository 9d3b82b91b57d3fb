"""The two orders in which a program may call install() and import a library that uses asyncio's streams."""

import importlib
import sys
import types

import sluiceway

IMPORT_ORDERS = ("import, install", "install, import")


# A second set of the modules of each package: those imported while sluiceway was installed.
_imported_installed: dict[str, dict[str, types.ModuleType]] = {}


def import_in_order(name: str, order: str) -> types.ModuleType:
    """Return module ``name`` as it is when imported in this order; for use while installed.

    The second order has a copy of its own of the module's package, imported while sluiceway was installed.
    """
    module = importlib.import_module(name)
    if order == IMPORT_ORDERS[0]:
        return module
    package = name.partition(".")[0]
    removed = _remove_modules(package)
    sys.modules.update(_imported_installed.get(package, {}))
    try:
        with sluiceway.installed():
            return importlib.import_module(name)
    finally:
        _imported_installed[package] = _remove_modules(package)
        sys.modules.update(removed)


def _remove_modules(package: str) -> dict[str, types.ModuleType]:
    """Remove the modules of a package from sys.modules, and return them."""
    names = [name for name in sys.modules if name.partition(".")[0] == package]
    return {name: sys.modules.pop(name) for name in names}
