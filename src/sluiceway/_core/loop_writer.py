"""The pure variant of ``_core_c/loop_writer.pyx``, whose LoopWriter corks writes to a loop's own transport."""

from __future__ import annotations

from typing import Any


def new_writer(transport: Any, stepper: Any, exposed: bool) -> Any:
    """Return the LoopWriter of ``transport``: None in this variant, whose writers call the transport's write().

    ``exposed``: True if the program may have access to the transport or to its socket, so that writes are not corked.
    """
    return None
