"""A list that counts how many items its operations move."""

from typing import Any


class CountingList(list[Any]):
    """Counts the items that are moved by a removal from the front."""

    moved = 0

    def __delitem__(self, index: Any) -> None:
        _, stop, _ = index.indices(len(self))
        self.moved += len(self) - stop
        super().__delitem__(index)

    def pop(self, index: Any = -1) -> Any:
        self.moved += len(self) - 1 - index if index >= 0 else 0
        return super().pop(index)
