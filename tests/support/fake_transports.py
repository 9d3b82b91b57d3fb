"""Fake transports for a reader without a connection: they count calls of pause_reading()."""

import asyncio
from typing import Any


class CountingTransport(asyncio.ReadTransport):
    """The transport of a reader that the test feeds; ``paused`` is its state, ``pauses`` the number of pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.pauses = 0

    def pause_reading(self) -> None:
        assert not self.paused, "paused twice"
        self.paused = True
        self.pauses += 1

    def resume_reading(self) -> None:
        assert self.paused, "resumed without a pause"
        self.paused = False

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class UnpausableTransport(CountingTransport):
    """Counts the calls of pause_reading() and raises NotImplementedError, like pipes on some loops."""

    def pause_reading(self) -> None:
        self.pauses += 1
        raise NotImplementedError
