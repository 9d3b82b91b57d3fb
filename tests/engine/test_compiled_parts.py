"""Every part that setup.py compiles exists for this interpreter, wherever the compiled core does."""

import importlib.machinery
import importlib.util
import pathlib
import sys

import pytest

import sluiceway

PACKAGE = pathlib.Path(sluiceway.__file__).parent
CORE = [f"sluiceway._core_c.{path.stem}" for path in sorted(PACKAGE.glob("_core_c/*.pxd"))]
ENGINE = [f"sluiceway._transports.epoll.{path.stem}" for path in sorted(PACKAGE.glob("_transports/epoll/*.pyx"))]


@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "pure", reason="this is a run of the pure core")
@pytest.mark.parametrize("name", [*CORE, *(ENGINE if sys.platform == "linux" else [])])
def test_part_is_compiled(name: str) -> None:
    found = importlib.util.find_spec(name)
    assert found is not None
    assert isinstance(found.loader, importlib.machinery.ExtensionFileLoader)
