"""Opening: what ``connect()``, ``pair()``, ``stdio()``, ``pipe()`` and ``spawn()`` return."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar


class Closable(Protocol):
    """What can be opened: an asynchronous context manager whose ``__aenter__()`` only returns the object itself."""

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> object: ...


T = TypeVar("T", bound=Closable)


class Opening(Coroutine[Any, Any, T], Generic[T]):
    """A call that has not begun. ``await`` or ``async with`` begins it; until then nothing is opened.

    A second ``await`` or ``async with`` of the same object raises RuntimeError. An object that is freed before it was
    awaited or entered emits a RuntimeWarning.

    ``await opening`` returns the opened object, which the caller closes. ``async with opening as opened`` also closes
    it at the end of the block. An Opening has the methods of a coroutine, so ``asyncio.create_task(opening)`` and
    ``asyncio.run(opening)`` accept it.
    """

    __slots__ = ("_call", "_coroutine", "_opened", "_start")

    def __init__(self, call: str, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._start: Callable[[], Coroutine[Any, Any, T]] | None = start
        self._opened: T | None = None
        # The call, if a task runs this object itself.
        self._coroutine: Coroutine[Any, Any, T] | None = None

    def __repr__(self) -> str:
        return f"<{self._call}{'' if self._start is None else ', not started'}>"

    @property
    def __name__(self) -> str:
        """The name of the function, for the repr of a task that runs this object."""
        return self._call.partition("(")[0]

    def __await__(self) -> Generator[Any, Any, T]:
        return self._started().__await__()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            # Not self._call, which would call this method again if it is missing.
            call = object.__getattribute__(self, "_call")
            raise AttributeError(
                f"'Opening' object has no attribute {name!r}; use the result of 'await' or 'async with', "
                f"which {call} needs",
                name=name,
                obj=self,
            )

    def send(self, value: Any) -> Any:
        """Run the call up to its next wait; a task calls this method. See ``types.CoroutineType``."""
        if self._coroutine is None:
            if value is not None:
                # The program means send() of a Stream.
                raise TypeError(f"{self._call} cannot send data; use the result of 'await' or 'async with'")
            self._coroutine = self._started()
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an exception in the call; a task calls this method. See ``types.CoroutineType``."""
        if self._coroutine is None:
            self._coroutine = self._started()
        try:
            return self._coroutine.throw(*error)
        finally:
            # Breaks a reference cycle: the traceback of the exception refers to this frame.
            del error

    def close(self) -> None:
        """Prevent a call that has not begun: a later ``await`` raises RuntimeError, and no warning is emitted.

        To end a call that has begun, cancel its task. If the object itself is the coroutine of a task, the method does
        what ``close()`` of a coroutine does. It has no effect on a call that another coroutine awaits, or on an object
        that the call has returned.
        """
        self._start = None
        if self._coroutine is not None:
            self._coroutine.close()

    async def __aenter__(self) -> T:
        # opened.__aenter__() is not called: a signal handler may raise where it begins, and the block would not close.
        self._opened = opened = await self._started()
        return opened

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.__aexit__(exc_type, exc, traceback)

    def _started(self) -> Coroutine[Any, Any, T]:
        start, self._start = self._start, None
        if start is None:
            raise RuntimeError(f"{self._call} was awaited or closed before; call {self.__name__}() again")
        return start()

    def __del__(self) -> None:
        try:
            start = self._start
        except AttributeError:
            # A signal handler has raised before __init__().
            return
        # As Python reports a coroutine that was never awaited.
        if start is not None:
            warnings.warn(f"{self._call} was never awaited", RuntimeWarning, stacklevel=2, source=self)
