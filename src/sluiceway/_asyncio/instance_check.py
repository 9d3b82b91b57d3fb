"""Classes that can stand in for asyncio's under their names (contract S12).

While sluiceway is installed, ``asyncio.StreamReader`` is sluiceway's class, and code that kept an object of asyncio's
asks ``isinstance(it, asyncio.StreamReader)`` all the same; asyncio's own StreamWriter does. For so long the answer is
the one that asyncio's class would give.
"""

from __future__ import annotations

import abc
from typing import Any

_standing_in: dict[type, type] = {}


class StandIn(abc.ABCMeta):
    """Metaclass of the public classes: while installed, instances of the class stood in for count as well.

    It derives from ABCMeta since that is what other bases of a program's class bring along; a metaclass beside it would
    be a conflict. ABCMeta caches its answers, so it is not asked where the answer may change.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls.__module__.rpartition(".")[0] != __package__:
            return super().__instancecheck__(instance)
        return type.__instancecheck__(cls, instance) or isinstance(instance, _standing_in.get(cls, ()))

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls.__module__.rpartition(".")[0] != __package__:
            return super().__subclasscheck__(subclass)
        return type.__subclasscheck__(cls, subclass) or issubclass(subclass, _standing_in.get(cls, ()))


def stand_in(replacements: dict[type, type]) -> None:
    """From now on each key stands in for its value; an empty dict ends it."""
    _standing_in.clear()
    _standing_in.update(replacements)
