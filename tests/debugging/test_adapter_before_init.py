"""A tracer or debugger may look at an object whose ``__init__()`` has not run."""

import pytest

from sluiceway._transports.loop_adapter import LoopAdapter


def test_attributes_of_an_adapter_before_init() -> None:
    adapter = LoopAdapter.__new__(LoopAdapter)
    assert "__class__" in dir(adapter)
    with pytest.raises(AttributeError, match="_protocol"):
        adapter.connection_made(None)
