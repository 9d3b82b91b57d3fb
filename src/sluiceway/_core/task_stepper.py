"""The pure variant of ``_core_c/task_stepper.pyx``, whose Stepper runs waiting tasks at once."""

from __future__ import annotations

from typing import Any


def new_stepper(loop: Any) -> Any:
    """Return the Stepper of ``loop``: None in this variant, because only C code can leave the context of a handle."""
    return None
