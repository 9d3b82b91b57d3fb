"""``isinstance`` and ``issubclass`` for the classes that replace asyncio's while sluiceway is installed.

While sluiceway is installed, the name ``asyncio.StreamReader`` refers to sluiceway's class. Code may use this name to
check an instance of asyncio's own class, as asyncio's own StreamWriter does with its reader. With the metaclass of this
module, the result is the same as with asyncio's class.
"""

from __future__ import annotations

import abc
from typing import Any

_replaced: dict[type, type] = {}


class InstanceCheck(abc.ABCMeta):
    """The metaclass of the classes that replace asyncio's, and of classes that programs derive from them.

    While sluiceway is installed, an instance of asyncio's class counts as an instance of the class that replaces it.

    The metaclass derives from ABCMeta because a program may derive a class from one of these and an abstract class, and
    Python rejects two unrelated metaclasses. The checks for classes of programs are those of ABCMeta. The checks
    for the package's own classes are not: ABCMeta caches results, and install() and uninstall() change the results for
    these classes.
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
    """Let instances of each value, a class of asyncio, count as instances of its key. An empty dict ends this."""
    global _replaced  # noqa: PLW0603 - other threads see either all old or all new entries
    _replaced = dict(replacements)
