"""A list that shows whether a queue moves its items."""

from typing import Any


class CountingList(list[Any]):
    """A list that counts the items which a removal from its front moves."""

    moved = 0

    def __delitem__(self, index: Any) -> None:
        _, stop, _ = index.indices(len(self))
        self.moved += len(self) - stop
        super().__delitem__(index)

    def pop(self, index: Any = -1) -> Any:
        self.moved += len(self) - 1 - index if index >= 0 else 0
        return super().pop(index)
