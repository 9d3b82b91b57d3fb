"""Every module that setup.py compiles exists as an extension module where the core is compiled."""

import importlib.machinery
import importlib.util
import pathlib
import sys

import pytest

import sluiceway

PACKAGE = pathlib.Path(sluiceway.__file__).parent
# The other .pxd files contain inline functions.
CORE = [
    f"sluiceway._core_c.{path.stem}"
    for path in sorted(PACKAGE.glob("_core_c/*.pxd"))
    if path.with_suffix(".pyx").exists() or (PACKAGE / "_core" / f"{path.stem}.py").exists()
]
ENGINE = [f"sluiceway._transports.epoll.{path.stem}" for path in sorted(PACKAGE.glob("_transports/epoll/*.pyx"))]


@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="the pure core is in use")
@pytest.mark.parametrize("name", [*CORE, *(ENGINE if sys.platform == "linux" else [])])
def test_module_is_an_extension_module(name: str) -> None:
    found = importlib.util.find_spec(name)
    assert found is not None
    assert isinstance(found.loader, importlib.machinery.ExtensionFileLoader)
