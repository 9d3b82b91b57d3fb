"""The two orders in which a program may call install() and import a library that uses asyncio's streams."""

import importlib
import sys
import types

import sluiceway

IMPORT_ORDERS = ("import, install", "install, import")


# A second set of the modules of each package: those that were imported while sluiceway was installed.
_imported_installed: dict[str, dict[str, types.ModuleType]] = {}


def import_in_order(name: str, order: str) -> types.ModuleType:
    """Return module ``name`` as it is when imported in this order; for use while installed.

    The second order has its own copy of the module's package, imported anew while sluiceway was installed.
    """
    usual = importlib.import_module(name)
    if order == IMPORT_ORDERS[0]:
        return usual
    package = name.partition(".")[0]
    before = _take(package)
    sys.modules.update(_imported_installed.get(package, {}))
    try:
        with sluiceway.installed():
            return importlib.import_module(name)
    finally:
        _imported_installed[package] = _take(package)
        sys.modules.update(before)


def _take(package: str) -> dict[str, types.ModuleType]:
    """Remove the modules of a package from those that Python knows."""
    names = [name for name in sys.modules if name.partition(".")[0] == package]
    return {name: sys.modules.pop(name) for name in names}
