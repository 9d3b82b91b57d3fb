"""Ready: an awaitable whose value is known when it is awaited. The pure variant of ``_core_c/ready.pyx``.

A call of a compiled coroutine function makes two objects, even if the coroutine does not wait. In the compiled variant,
``await`` on a Ready makes none.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Self


class Ready:
    """The base class of awaitables whose result is usually known when they are awaited; they need no coroutine then.

    ``__await__`` of a subclass returns ``self.returning(result)`` or ``self.raising(error)``; the ``await`` then
    returns ``result`` or raises ``error``. The result cannot be None, because None marks an unknown result. If the
    result is not known yet, ``__await__`` returns another iterator, such as that of a coroutine. The attribute
    ``operation`` of a subclass is the name of the call.

    If a subclass has ``send()``, a task can run its objects without ``await``, as it runs coroutines. In that case
    ``__await__`` is called at each step of the task. It must return the same iterator until this iterator ends.
    """

    __slots__ = ("failure", "outcome")

    def __init__(self) -> None:
        self.outcome: Any = None
        self.failure: BaseException | None = None

    @property
    def __name__(self) -> str:
        """The name of the call, for the repr of a task that runs this object."""
        return self.operation  # type: ignore[attr-defined,no-any-return]

    def returning(self, outcome: Any) -> Self:
        """Let the current ``await`` return ``outcome``. Return this object, for ``__await__`` to return."""
        self.outcome = outcome
        return self

    def raising(self, failure: BaseException) -> Self:
        """Let the current ``await`` raise ``failure``. Return this object, for ``__await__`` to return."""
        self.failure = failure
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        raise NotImplementedError

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        failure, outcome = self.failure, self.outcome
        self.failure = self.outcome = None
        if failure is not None:
            try:
                raise failure
            finally:
                # Breaks a reference cycle: the traceback of the error refers to this frame.
                del failure
        if outcome is None:
            # A task runs this object itself, without ``await``.
            return next(self.__await__())
        raise StopIteration(outcome)


def set_slots(derived: type[Ready]) -> None:
    """Do nothing in this variant. The compiled one, called for each class derived from Ready, sets its C slots."""
