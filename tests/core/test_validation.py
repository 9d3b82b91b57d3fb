"""Invalid arguments raise an error that names the given value and what is accepted."""

import array
import fractions
import math
import types
from typing import Any

import pytest

import sluiceway


class Three:
    """An integer by ``__index__`` only."""

    def __index__(self) -> int:
        return 3


@pytest.mark.parametrize(("given", "counted"), [(0, 0), (7, 7), (-1, -1), (True, 1), (Three(), 3), (1 << 80, 1 << 80)])
def test_as_count_returns_integers_unchanged(core: types.ModuleType, given: Any, counted: int) -> None:
    assert core.as_count(given, "read") == counted
    assert type(core.as_count(given, "read")) in {int, bool}


@pytest.mark.parametrize("given", ["3", b"3", 3.0, None, [3], fractions.Fraction(3)])
def test_as_count_of_a_non_integer_raises_type_error(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match=r"^peek\(\): n argument must be an integer, not ") as refused:
        core.as_count(given, "peek")
    assert type(given).__name__ in str(refused.value)
    assert repr(given) in str(refused.value)


@pytest.mark.parametrize(
    ("given", "limit"), [(None, 65536), (1, 1), (1000, 1000), (4096.0, 4096), (Three(), 3), (True, 1)]
)
def test_as_limit_returns_positive_integers(core: types.ModuleType, given: Any, limit: int) -> None:
    assert core.as_limit(given) == limit
    assert type(core.as_limit(given)) is int


@pytest.mark.parametrize("given", [math.inf, 1 << 200])
def test_infinite_limit_fits_64_bits_when_doubled(core: types.ModuleType, given: Any) -> None:
    assert 1 << 50 < 2 * core.as_limit(given) < 1 << 63


@pytest.mark.parametrize("given", [0, -1, -65536, 0.0, -1.0, False])
def test_limit_of_zero_or_less_raises_value_error(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(ValueError, match="Limit cannot be <= 0"):
        core.as_limit(given)


@pytest.mark.parametrize("given", [1.5, math.nan, -math.inf])
def test_fractional_limit_raises_value_error(core: types.ModuleType, given: float) -> None:
    with pytest.raises(ValueError, match=r"limit argument must be a whole number of bytes, math\.inf or None, not"):
        core.as_limit(given)


@pytest.mark.parametrize("given", ["64", b"64", [1], fractions.Fraction(3)])
def test_limit_of_another_type_raises_type_error(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match=r"whole number of bytes, math\.inf or None, not"):
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
def test_separators_are_sorted_by_length(core: types.ModuleType, given: Any, separators: tuple[bytes, ...]) -> None:
    assert core.as_separators(given) == separators


@pytest.mark.parametrize("given", [b"", bytearray(), (b"\n", b""), (b"",), (), (memoryview(b""),)])
def test_empty_separator_raises_value_error(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(ValueError, match=r"^Separator should "):
        core.as_separators(given)


@pytest.mark.parametrize("given", ["\n", 10, None, [b"\n"], (b"\n", "\r"), ((b"\n",),), {b"\n"}])
def test_separator_of_another_type_raises_type_error(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match=r"^readuntil\(\): separator argument must be bytes or a tuple of bytes, not "):
        core.as_separators(given)


def test_as_bytes_result_is_unchanged_by_later_writes_to_the_buffer(core: types.ModuleType) -> None:
    """W7: as_bytes() copies, so the caller may reuse its buffer."""
    changing = bytearray(b"before")
    views = [changing, memoryview(changing)[::2], memoryview(changing)[::-1]]
    taken = [core.as_bytes(view) for view in views]
    changing[:] = b"AFTER!"
    assert taken == [b"before", b"bfr", b"erofeb"]


def test_as_bytes_of_multibyte_items_returns_every_byte(core: types.ModuleType) -> None:
    """W7: the data of a write is the raw memory, whatever the item size of the view."""
    numbers = array.array("I", [1, 2, 3])
    assert core.as_bytes(numbers) == numbers.tobytes()
    assert core.as_bytes(memoryview(numbers)) == numbers.tobytes()
    assert core.as_bytes(memoryview(numbers)[1:]) == numbers[1:].tobytes()


def test_as_bytes_of_text_advises_to_encode_it(core: types.ModuleType) -> None:
    with pytest.raises(TypeError, match=r"not 'str'; encode it first$"):
        core.as_bytes("text")


async def test_as_bytes_of_a_read_that_was_not_awaited_advises_to_await_it(core: types.ModuleType) -> None:
    read = sluiceway.StreamReader().read(1)
    with pytest.raises(TypeError, match=r"; await it first$"):
        core.as_bytes(read)
    read.close()


@pytest.mark.parametrize("given", ["text", 5, None, [1, 2], object()])
def test_as_bytes_of_an_object_without_a_buffer_raises_type_error(core: types.ModuleType, given: Any) -> None:
    with pytest.raises(TypeError, match=r"^data argument must be a bytes-like object, not '") as refused:
        core.as_bytes(given)
    assert type(given).__name__ in str(refused.value)
