"""Fake transports for a reader without a connection: they count calls of pause_reading()."""

import asyncio
from typing import Any


class CountingTransport(asyncio.ReadTransport):
    """For a reader that is fed by hand: ``paused`` says whether it may be fed, ``pauses`` how often it was stopped."""

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
    """Like a pipe on some loops: it counts how often it was asked, and cannot."""

    def pause_reading(self) -> None:
        self.pauses += 1
        raise NotImplementedError
