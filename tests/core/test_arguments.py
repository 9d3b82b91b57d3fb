"""What callers hand in is checked once, and refused with a sentence that says what was given and what is accepted."""

import array
import fractions
import math
import types
from typing import Any

import pytest


class Three:
    """A whole number of its own kind."""

    def __index__(self) -> int:
        return 3


@pytest.mark.parametrize(("given", "counted"), [(0, 0), (7, 7), (-1, -1), (True, 1), (Three(), 3), (1 << 80, 1 << 80)])
def test_whole_numbers_are_counts(core: types.ModuleType, given: Any, counted: int) -> None:
    assert core.as_count(given, "read") == counted
    assert type(core.as_count(given, "read")) in {int, bool}


@pytest.mark.parametrize("given", ["3", b"3", 3.0, None, [3], fractions.Fraction(3)])
def test_what_is_no_whole_number_is_no_count(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match=r"^peek\(\) takes a whole number of bytes, not ") as refused:
        core.as_count(given, "peek")
    assert type(given).__name__ in str(refused.value)
    assert repr(given) in str(refused.value)


@pytest.mark.parametrize(
    ("given", "limit"), [(None, 65536), (1, 1), (1000, 1000), (4096.0, 4096), (Three(), 3), (True, 1)]
)
def test_limits(core: types.ModuleType, given: Any, limit: int) -> None:
    assert core.as_limit(given) == limit
    assert type(core.as_limit(given)) is int


@pytest.mark.parametrize("given", [math.inf, 1 << 200])
def test_no_limit_is_still_a_size_that_can_be_doubled(core: types.ModuleType, given: Any) -> None:
    assert 1 << 50 < 2 * core.as_limit(given) < 1 << 63


@pytest.mark.parametrize("given", [0, -1, -65536, 0.0, -1.0, False])
def test_a_limit_is_above_zero(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(ValueError, match="Limit cannot be <= 0"):
        core.as_limit(given)


@pytest.mark.parametrize("given", [1.5, math.nan, -math.inf])
def test_a_limit_is_whole(core: types.ModuleType, given: float) -> None:
    with pytest.raises(ValueError, match="limit is a whole number of bytes or infinity, not"):
        core.as_limit(given)


@pytest.mark.parametrize("given", ["64", b"64", [1], fractions.Fraction(3)])
def test_a_limit_is_a_number(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match="limit is a number of bytes or None, not"):
        core.as_limit(given)


@pytest.mark.parametrize(
    ("given", "separators"),
    [
        (b"\n", (b"\n",)),
        (bytearray(b"ab"), (b"ab",)),
        (memoryview(b"ab"), (b"ab",)),
        ((b"\r\n", b"|", bytearray(b"\n")), (b"|", b"\n", b"\r\n")),
        ((b"--",), (b"--",)),
    ],
)
def test_separators_come_shortest_first(core: types.ModuleType, given: Any, separators: tuple[bytes, ...]) -> None:
    assert core.as_separators(given) == separators


@pytest.mark.parametrize("given", [b"", bytearray(), (b"\n", b""), (b"",), (), (memoryview(b""),)])
def test_an_empty_separator_ends_nothing(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(ValueError, match=r"^Separator should "):
        core.as_separators(given)


@pytest.mark.parametrize("given", ["\n", 10, None, [b"\n"], (b"\n", "\r"), ((b"\n",),), {b"\n"}])
def test_separators_are_bytes(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match=r"^readuntil\(\) takes bytes or a tuple of bytes as separator, not "):
        core.as_separators(given)


def test_bytes_are_taken_as_they_are_now(core: types.ModuleType) -> None:
    """W7: what the owner does to the memory afterwards is no matter."""
    changing = bytearray(b"before")
    views = [changing, memoryview(changing)[::2], memoryview(changing)[::-1]]
    taken = [core.as_bytes(view) for view in views]
    changing[:] = b"AFTER!"
    assert taken == [b"before", b"bfr", b"erofeb"]


def test_items_of_every_size_are_taken_whole(core: types.ModuleType) -> None:
    """W7"""
    numbers = array.array("I", [1, 2, 3])
    assert core.as_bytes(numbers) == numbers.tobytes()
    assert core.as_bytes(memoryview(numbers)) == numbers.tobytes()
    assert core.as_bytes(memoryview(numbers)[1:]) == numbers[1:].tobytes()


@pytest.mark.parametrize("given", ["text", 5, None, [1, 2], object()])
def test_what_has_no_bytes_is_refused(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match=r"^data argument must be a bytes-like object, not '") as refused:
        core.as_bytes(given)
    assert type(given).__name__ in str(refused.value)
