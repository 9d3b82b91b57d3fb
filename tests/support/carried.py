"""Who carried the bytes: proof that a library's streams were sluiceway's, and asyncio's were idle (contract S12)."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import sluiceway
from support.mixtures import asyncios as asyncio_class


@dataclasses.dataclass
class Carried:
    """Bytes that programs read from and wrote to sluiceway's streams, and that passed through asyncio's own code."""

    read: int = 0
    written: int = 0
    by_asyncio: int = 0


@contextlib.contextmanager
def counted() -> Iterator[Carried]:
    """Count what is read and written by the public methods, in this process, as long as the block lasts."""
    carried = Carried()
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
                carried.read += len(data)
            return data

        return read

    def writing(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def write(self: Any, data: Any) -> None:
            carried.written += len(data)
            original(self, data)

        return write

    def writing_lines(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def writelines(self: Any, data: Any) -> None:
            data = list(data)
            carried.written += sum(map(len, data))
            original(self, data)

        return writelines

    def asyncios(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def counted_too(self: Any, data: Any) -> None:
            carried.by_asyncio += 1
            original(self, data)

        return counted_too

    with contextlib.ExitStack() as stack:
        for name in ("read", "readline", "readexactly", "readuntil"):
            _replace(stack, sluiceway.StreamReader, name, reading)
        _replace(stack, sluiceway.StreamWriter, "write", writing)
        _replace(stack, sluiceway.StreamWriter, "writelines", writing_lines)
        _replace(stack, asyncio_class(sluiceway.StreamReader), "feed_data", asyncios)
        _replace(stack, asyncio_class(sluiceway.StreamWriter), "write", asyncios)
        _replace(stack, asyncio_class(sluiceway.StreamWriter), "writelines", asyncios)
        yield carried


def _replace(stack: contextlib.ExitStack, kind: type, name: str, wrap: Callable[..., Any]) -> None:
    inherited = name not in vars(kind)
    original = getattr(kind, name)
    setattr(kind, name, wrap(original))
    if inherited:
        stack.callback(delattr, kind, name)
    else:
        stack.callback(setattr, kind, name, original)
