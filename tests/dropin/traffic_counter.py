"""Count the traffic of sluiceway's streams, to show that a library uses them and not asyncio's."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import sluiceway
from dropin.class_combinations import asyncio_class


@dataclasses.dataclass
class Traffic:
    """Bytes read from and written to sluiceway's streams, and calls of asyncio's own methods."""

    bytes_read: int = 0
    bytes_written: int = 0
    asyncio_calls: int = 0


@contextlib.contextmanager
def count_traffic() -> Iterator[Traffic]:
    """Count what the public methods read and write in this process within the block."""
    traffic = Traffic()
    active_readers: set[int] = set()

    def count_read(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def read(self: Any, *args: Any, **kwargs: Any) -> bytes:
            # readline may call readuntil.
            outermost = id(self) not in active_readers
            active_readers.add(id(self))
            try:
                data: bytes = await original(self, *args, **kwargs)
            finally:
                if outermost:
                    active_readers.discard(id(self))
            if outermost:
                traffic.bytes_read += len(data)
            return data

        return read

    def count_write(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def write(self: Any, data: Any) -> None:
            traffic.bytes_written += len(data)
            original(self, data)

        return write

    def count_writelines(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def writelines(self: Any, data: Any) -> None:
            data = list(data)
            traffic.bytes_written += sum(map(len, data))
            original(self, data)

        return writelines

    def count_asyncio_call(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def counted(self: Any, data: Any) -> None:
            traffic.asyncio_calls += 1
            original(self, data)

        return counted

    with contextlib.ExitStack() as stack:
        for name in ("read", "readline", "readexactly", "readuntil"):
            _replace(stack, sluiceway.StreamReader, name, count_read)
        _replace(stack, sluiceway.StreamWriter, "write", count_write)
        _replace(stack, sluiceway.StreamWriter, "writelines", count_writelines)
        _replace(stack, asyncio_class(sluiceway.StreamReader), "feed_data", count_asyncio_call)
        _replace(stack, asyncio_class(sluiceway.StreamWriter), "write", count_asyncio_call)
        _replace(stack, asyncio_class(sluiceway.StreamWriter), "writelines", count_asyncio_call)
        yield traffic


def _replace(stack: contextlib.ExitStack, kind: type, name: str, wrap: Callable[..., Any]) -> None:
    inherited = name not in vars(kind)
    original = getattr(kind, name)
    setattr(kind, name, wrap(original))
    if inherited:
        stack.callback(delattr, kind, name)
    else:
        stack.callback(setattr, kind, name, original)
