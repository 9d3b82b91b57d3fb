"""The target of a weak reference: the pure variant of ``_core_c/weak_reference.pyx``."""

from __future__ import annotations

import operator

# Returns the object to which a weak reference, its argument, refers, or None if the object was freed.
target = operator.call
