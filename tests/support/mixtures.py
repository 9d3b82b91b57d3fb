"""Every mixture of asyncio's and sluiceway's reader, writer and protocol, put together by hand (contract S12)."""

import asyncio
import contextlib
import dataclasses
import itertools
from asyncio import streams as asyncio_streams
from collections.abc import AsyncIterator, Iterator
from typing import Any

import sluiceway

OURS, THEIRS = "sluiceway", "asyncio"


def asyncios(ours: type) -> type:
    """asyncio's own class behind one of sluiceway's, whatever its name in asyncio stands for at the moment."""
    return next(base for base in ours.__mro__ if base.__module__ == asyncio_streams.__name__)


def of(whose: str, ours: type) -> Any:
    """Sluiceway's class, or asyncio's of the same name."""
    return ours if whose == OURS else asyncios(ours)


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Whose classes; ``installed``: while sluiceway is installed."""

    reader: str
    writer: str
    protocol: str
    installed: bool

    def __str__(self) -> str:
        when = "installed" if self.installed else "not installed"
        return f"{self.reader}'s reader, {self.writer}'s writer, {self.protocol}'s protocol, {when}"

    def pieces(self, limit: int = 1 << 16) -> tuple[Any, Any]:
        """A reader and the protocol that feeds it."""
        loop = asyncio.get_running_loop()
        reader = of(self.reader, sluiceway.StreamReader)(limit=limit, loop=loop)
        return reader, of(self.protocol, sluiceway.StreamReaderProtocol)(reader, loop=loop)

    @contextlib.asynccontextmanager
    async def connected(self, address: tuple[str, int], limit: int = 1 << 16) -> AsyncIterator[tuple[Any, Any]]:
        """Connect by ``loop.create_connection`` and yield (reader, writer); closed at the end."""
        loop = asyncio.get_running_loop()
        with self.in_force():
            reader, protocol = self.pieces(limit)
            transport, _ = await loop.create_connection(lambda: protocol, *address)
            writer = of(self.writer, sluiceway.StreamWriter)(transport, protocol, reader, loop)
            try:
                yield reader, writer
            finally:
                # asyncio's TLS transports are not to be touched again once they are closed.
                if not writer.is_closing():
                    # A test may leave more than the other side will ever read; closing gracefully would wait for it.
                    if writer.transport.get_write_buffer_size():
                        writer.transport.abort()
                    writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        with sluiceway.installed() if self.installed else contextlib.nullcontext():
            yield


MIXTURES = [
    Mixture(*whose) for whose in itertools.product((THEIRS, OURS), (THEIRS, OURS), (THEIRS, OURS), (False, True))
]
