"""The target of a weak reference: the pure variant of ``_core_c/weak_reference.pyx``."""

from __future__ import annotations

from typing import Any


def target(reference: Any) -> Any:
    """Return the object that the weak reference ``reference`` refers to, or None if it was freed."""
    return reference()
