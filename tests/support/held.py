"""How much memory an object keeps for the bytes that it holds, as sys.getsizeof measures it."""

import gc
import sys
from typing import Any

_CONTAINERS = (list, tuple, dict)
_MEMORY = (bytes, bytearray)


def unread_bytes(reader: Any) -> int:
    """Return how many bytes a reader of the project holds unread; looking does not make its buffer a bytearray."""
    count: int = reader._ps_unread.held()
    return count


def held_bytes(owner: Any) -> int:
    """Return the size of every bytes object, bytearray and list that ``owner`` or a sluiceway object in it refers to.

    It walks references, not names: what the objects inside are called, and what they are compiled from, is no matter.
    Transports, loops and tasks are not followed.
    """
    total = 0
    seen = {id(owner)}
    queue = [owner]
    while queue:
        for one in gc.get_referents(queue.pop()):
            if id(one) in seen or isinstance(one, type):
                continue
            seen.add(id(one))
            if isinstance(one, (*_MEMORY, list)):
                total += sys.getsizeof(one)
            if isinstance(one, _CONTAINERS) or type(one).__module__.startswith("sluiceway"):
                queue.append(one)
    return total
