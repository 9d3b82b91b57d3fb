"""Follow a weak reference: the pure variant of ``_core_c/weak_reference.pyx``."""

from __future__ import annotations

from typing import Any


def target(reference: Any) -> Any:
    """The object that ``reference`` refers to, or None."""
    return reference()
