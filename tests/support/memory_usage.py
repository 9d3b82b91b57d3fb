"""How many bytes a reader buffers, and how much memory an object retains for them."""

import gc
import sys
from typing import Any

_CONTAINERS = (list, tuple, dict)
_MEMORY = (bytes, bytearray)


def buffered_size(reader: Any) -> int:
    """Return how many unread bytes a sluiceway reader buffers; this does not convert its buffer to a bytearray."""
    count: int = reader._sluiceway.buffer.size()
    return count


def retained_memory(owner: Any) -> int:
    """Return the size of every bytes object, bytearray and list that ``owner`` or a sluiceway object in it refers to.

    Sizes are those of sys.getsizeof(). References are followed, not names, so the pure and the compiled core are alike.
    Transports, loops and tasks are not followed.
    """
    total = 0
    seen = {id(owner)}
    queue = [owner]
    while queue:
        for referent in gc.get_referents(queue.pop()):
            if id(referent) in seen or isinstance(referent, type):
                continue
            seen.add(id(referent))
            if isinstance(referent, (*_MEMORY, list)):
                total += sys.getsizeof(referent)
            if isinstance(referent, _CONTAINERS) or type(referent).__module__.startswith("sluiceway"):
                queue.append(referent)
    return total
