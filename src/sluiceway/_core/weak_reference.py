"""The target of a weak reference: the pure variant of ``_core_c/weak_reference.pyx``."""

from __future__ import annotations

from typing import Any


def target(reference: Any) -> Any:
    """Return the object to which the weak reference ``reference`` refers, or None if the object was freed."""
    return reference()
