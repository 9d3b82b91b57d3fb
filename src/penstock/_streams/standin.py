"""Classes that can stand in for asyncio's under their names (contract S12).

While penstock is installed, ``asyncio.StreamReader`` is penstock's class, and code that kept an object of asyncio's
asks ``isinstance(it, asyncio.StreamReader)`` all the same; asyncio's own StreamWriter does. For so long the answer is
the one that asyncio's class would give.
"""

from __future__ import annotations

from typing import Any

_standing_in: dict[type, type] = {}


class StandIn(type):
    """Metaclass of the public classes: while installed, instances of the class stood in for count as well."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or isinstance(instance, _standing_in.get(cls, ()))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return super().__subclasscheck__(subclass) or issubclass(subclass, _standing_in.get(cls, ()))


def stand_in(replacements: dict[type, type]) -> None:
    """From now on each key stands in for its value; an empty dict ends it."""
    _standing_in.clear()
    _standing_in.update(replacements)
