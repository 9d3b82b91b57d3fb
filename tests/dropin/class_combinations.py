"""S12: every combination of asyncio's and sluiceway's reader, writer and protocol classes."""

import asyncio
import contextlib
import dataclasses
import itertools
from asyncio import streams as asyncio_streams
from collections.abc import AsyncIterator, Iterator
from typing import Any

import sluiceway
from support.connections import connect_with_protocol

SLUICEWAY, ASYNCIO = "sluiceway", "asyncio"


def asyncio_class(ours: type) -> type:
    """Return asyncio's base class of a sluiceway class, whether sluiceway is installed or not."""
    return next(base for base in ours.__mro__ if base.__module__ == asyncio_streams.__name__)


def select_class(origin: str, ours: type) -> Any:
    """Return sluiceway's class, or asyncio's class of the same name."""
    return ours if origin == SLUICEWAY else asyncio_class(ours)


@dataclasses.dataclass(frozen=True)
class ClassCombination:
    """The origin of each class: SLUICEWAY or ASYNCIO; ``installed``: used while sluiceway is installed."""

    reader: str
    writer: str
    protocol: str
    installed: bool

    def __str__(self) -> str:
        when = "installed" if self.installed else "not installed"
        return f"{self.reader}'s reader, {self.writer}'s writer, {self.protocol}'s protocol, {when}"

    @contextlib.asynccontextmanager
    async def connected(self, address: tuple[str, int], limit: int = 1 << 16) -> AsyncIterator[tuple[Any, Any]]:
        """Connect by ``loop.create_connection`` and yield (reader, writer); closed at the end."""
        with self.installed_if_chosen():
            reader = select_class(self.reader, sluiceway.StreamReader)(limit=limit, loop=asyncio.get_running_loop())
            classes = {
                "protocol_class": select_class(self.protocol, sluiceway.StreamReaderProtocol),
                "writer_class": select_class(self.writer, sluiceway.StreamWriter),
            }
            async with connect_with_protocol(sluiceway, address, reader=reader, **classes) as (_, writer, _):
                yield reader, writer

    @contextlib.contextmanager
    def installed_if_chosen(self) -> Iterator[None]:
        with sluiceway.installed() if self.installed else contextlib.nullcontext():
            yield


COMBINATIONS = [
    ClassCombination(*origin)
    for origin in itertools.product((ASYNCIO, SLUICEWAY), (ASYNCIO, SLUICEWAY), (ASYNCIO, SLUICEWAY), (False, True))
]
