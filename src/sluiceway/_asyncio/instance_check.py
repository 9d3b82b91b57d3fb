"""``isinstance`` and ``issubclass`` for classes that replace asyncio's under their names (contract S12).

While sluiceway is installed, ``asyncio.StreamReader`` is sluiceway's class. Code that holds an object of asyncio's own
class still asks ``isinstance(it, asyncio.StreamReader)``; asyncio's StreamWriter does. The answer is then the one that
asyncio's class would give.
"""

from __future__ import annotations

import abc
from typing import Any

_replaced: dict[type, type] = {}


class InstanceCheck(abc.ABCMeta):
    """Metaclass of the public classes: while installed, instances of the replaced class count as well.

    It derives from ABCMeta, which other bases of a program's class may have: two metaclasses that do not derive from
    each other are a conflict. ABCMeta caches its answers, so it is not asked where the answer may change.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls.__module__.rpartition(".")[0] != __package__:
            return super().__instancecheck__(instance)
        return type.__instancecheck__(cls, instance) or isinstance(instance, _replaced.get(cls, ()))

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls.__module__.rpartition(".")[0] != __package__:
            return super().__subclasscheck__(subclass)
        return type.__subclasscheck__(cls, subclass) or issubclass(subclass, _replaced.get(cls, ()))


def replace_in_checks(replacements: dict[type, type]) -> None:
    """Each key replaces its value from now on; an empty dict ends that."""
    global _replaced  # noqa: PLW0603 - another thread finds all of the old ones or all of the new ones
    _replaced = dict(replacements)
