"""The tests of building are the same whatever implementation runs them; tools/test.py runs them once."""

from support.building import made_sdist

__all__ = ["made_sdist"]
