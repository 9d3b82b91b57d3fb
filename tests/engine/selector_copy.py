"""A copy of a selector, which a program puts in place of the loop's own."""

import selectors
from typing import Any


def copied(original: Any) -> selectors.PollSelector:
    """Return another selector with the same registrations."""
    selector = selectors.PollSelector()
    for key in original.get_map().values():
        selector.register(key.fd, key.events, key.data)
    return selector
