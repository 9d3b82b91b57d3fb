"""``isinstance`` and ``issubclass`` for the classes that replace asyncio's (contract S12).

While sluiceway is installed, ``asyncio.StreamReader`` is sluiceway's class. Code that holds an instance of asyncio's
class still calls ``isinstance(obj, asyncio.StreamReader)``; asyncio's StreamWriter is an example. The metaclass makes
the result the same as with asyncio's class.
"""

from __future__ import annotations

import abc
from typing import Any

_replaced: dict[type, type] = {}


class InstanceCheck(abc.ABCMeta):
    """Metaclass of the public classes. While installed, instances of the replaced asyncio class count as instances.

    It derives from ABCMeta because a program's class may combine a public class with an abstract one, and Python
    rejects two unrelated metaclasses. ABCMeta caches results, so it is not used for checks whose result may change.
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
    """Register each key as the replacement of its value. An empty dict removes all replacements."""
    global _replaced  # noqa: PLW0603 - other threads see either all old or all new entries
    _replaced = dict(replacements)
