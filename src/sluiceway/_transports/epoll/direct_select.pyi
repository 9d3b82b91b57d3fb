from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Literal, Self

SELECT_CHOICE: Literal["", "loop"]

class DirectSelect:
    def __new__(cls, loop: AbstractEventLoop, callback: Callable[..., object], serve: Callable[[], object]) -> Self: ...
    def remove(self) -> None: ...
    def select(self, timeout: float | None = None) -> list[Any]: ...

def install_direct_select(
    loop: AbstractEventLoop, callback: Callable[..., object], serve: Callable[[], object]
) -> DirectSelect | None: ...
