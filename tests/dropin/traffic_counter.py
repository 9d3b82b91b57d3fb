"""Counts the traffic of sluiceway's streams, to prove that a library used them and not asyncio's (contract S12)."""

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
    """Count what is read and written by the public methods, in this process, inside the block."""
    traffic = Traffic()
    inside: set[int] = set()

    def reading(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def read(self: Any, *args: Any, **kwargs: Any) -> bytes:
            # readline may go through readuntil.
            outermost = id(self) not in inside
            inside.add(id(self))
            try:
                data: bytes = await original(self, *args, **kwargs)
            finally:
                if outermost:
                    inside.discard(id(self))
            if outermost:
                traffic.bytes_read += len(data)
            return data

        return read

    def writing(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def write(self: Any, data: Any) -> None:
            traffic.bytes_written += len(data)
            original(self, data)

        return write

    def writing_lines(original: Callable[..., Any]) -> Callable[..., Any]:
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
            _replace(stack, sluiceway.StreamReader, name, reading)
        _replace(stack, sluiceway.StreamWriter, "write", writing)
        _replace(stack, sluiceway.StreamWriter, "writelines", writing_lines)
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
