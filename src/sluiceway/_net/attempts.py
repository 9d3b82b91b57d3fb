"""ConnectAttempt: one address that a connect has tried, how long that took, and why it failed."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectAttempt:
    """One address that ``sluiceway.connect()`` has tried.

    Attributes:
        address (str): the address: "192.0.2.7:443", "[2001:db8::7]:443" or the path of a Unix socket.
        seconds (float): the time from the start of the attempt to its end.
        error (OSError or None): why the attempt failed. None for the one that connected. TimeoutError if the address
            had not answered when another one did, or when the timeout expired.
    """

    address: str
    seconds: float
    error: OSError | None
