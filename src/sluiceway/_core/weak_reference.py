"""target(): the object to which a weak reference refers. The pure variant of ``_core_c/weak_reference.pyx``."""

from __future__ import annotations

import operator

# The argument is the weak reference. Returns None if the object was freed.
target = operator.call
