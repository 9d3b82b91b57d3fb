"""RFC 8305, section 5, on attempts that the test controls: who starts when, who wins, and what becomes of the rest."""

import asyncio
import gc
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sluiceway._net.happy_eyeballs import race
from support.scheduling import run_iterations

NEVER = 3600.0


class Attempt:
    """One attempt; the test says when it ends and how."""

    def __init__(self, number: int, started: list[int]) -> None:
        self.number = number
        self.begun = asyncio.Event()
        self.outcome: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        self.cancelled = False
        self._started = started

    async def __call__(self) -> socket.socket:
        self._started.append(self.number)
        self.begun.set()
        try:
            return await self.outcome
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def fail(self, error: BaseException | None = None) -> None:
        self.outcome.set_exception(error or ConnectionRefusedError(f"attempt {self.number}"))

    def win(self) -> socket.socket:
        sock = socket.socket()
        self.outcome.set_result(sock)
        return sock


def attempts(count: int) -> tuple[list[Attempt], list[int]]:
    started: list[int] = []
    return [Attempt(number, started) for number in range(count)], started


async def test_one_attempt() -> None:
    (only,), _ = attempts(1)
    racing = asyncio.create_task(race([only], NEVER))
    await only.begun.wait()
    sock = only.win()
    with sock:
        assert await racing is sock


async def test_none_at_all() -> None:
    assert await race([], NEVER) is None


async def test_the_second_waits_for_the_delay() -> None:
    (first, second), started = attempts(2)
    racing = asyncio.create_task(race([first, second], NEVER))
    await first.begun.wait()
    await run_iterations(10)
    assert started == [0]
    with first.win():
        await racing
    assert started == [0]


async def test_after_the_delay_the_next_runs_beside_it() -> None:
    (first, second, third), started = attempts(3)
    racing = asyncio.create_task(race([first, second, third], 0.001))
    await third.begun.wait()
    assert started == [0, 1, 2]
    with first.win() as sock:
        assert await racing is sock
    assert second.cancelled
    assert third.cancelled
    assert not first.cancelled


async def test_a_failure_starts_the_next_at_once() -> None:
    (first, second, third), started = attempts(3)
    racing = asyncio.create_task(race([first, second, third], NEVER))
    await first.begun.wait()
    first.fail()
    await second.begun.wait()
    assert started == [0, 1]
    second.fail()
    await third.begun.wait()
    with third.win() as sock:
        assert await racing is sock


async def test_a_late_failure_of_an_earlier_one_starts_the_next_too() -> None:
    (first, second, third), started = attempts(3)

    racing = asyncio.create_task(race([first, second, third], 0.2))
    await second.begun.wait()
    assert started == [0, 1]
    first.fail()
    await asyncio.wait_for(third.begun.wait(), 10)
    with second.win() as sock:
        assert await racing is sock
    assert third.cancelled


async def test_none_where_all_fail() -> None:
    all_three, started = attempts(3)
    racing = asyncio.create_task(race(all_three, NEVER))
    for attempt in all_three:
        await attempt.begun.wait()
        attempt.fail()
    assert await racing is None
    assert started == [0, 1, 2]


async def test_two_that_win_at_once() -> None:
    (first, second), _ = attempts(2)
    racing = asyncio.create_task(race([first, second], 0.001))
    await second.begun.wait()
    socks = {first.win(), second.win()}
    winner = await racing
    assert winner is not None
    (loser,) = socks - {winner}
    assert winner.fileno() >= 0
    assert loser.fileno() == -1
    winner.close()


async def test_a_loser_that_succeeds_though_cancelled_is_closed() -> None:
    (first, _), started = attempts(2)
    made: list[socket.socket] = []
    begun = asyncio.Event()

    async def stubborn() -> socket.socket:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            made.append(socket.socket())
        return made[0]

    racing = asyncio.create_task(race([stubborn, first], 0.001))
    await first.begun.wait()
    with first.win() as sock:
        assert await racing is sock
    assert made[0].fileno() == -1


async def test_losers_have_ended_when_the_race_is_over() -> None:
    (first, _), _ = attempts(2)
    ended = False

    async def slow_to_end() -> socket.socket:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await run_iterations(10)
            ended = True
        raise AssertionError

    racing = asyncio.create_task(race([slow_to_end, first], 0.001))
    await first.begun.wait()
    with first.win():
        await racing
    assert ended


async def test_cancelling_the_race_cancels_every_attempt() -> None:
    (first, second, third), started = attempts(3)
    racing = asyncio.create_task(race([first, second, third], 0.001))
    await third.begun.wait()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    assert first.cancelled
    assert second.cancelled
    assert third.cancelled


async def test_cancelled_in_the_step_in_which_one_has_won() -> None:
    (first,), _ = attempts(1)
    racing = asyncio.create_task(race([first], NEVER))
    await first.begun.wait()
    await run_iterations(10)
    sock = first.win()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    assert sock.fileno() == -1


async def test_cancelled_while_the_losers_end() -> None:
    """The winner is nobody's then, and is closed."""
    (first, _), _ = attempts(2)
    ending = asyncio.Event()
    may_end = asyncio.Event()

    async def slow_to_end() -> socket.socket:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()
        raise AssertionError

    racing = asyncio.create_task(race([slow_to_end, first], 0.001))
    await first.begun.wait()
    sock = first.win()
    await ending.wait()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    assert sock.fileno() == -1
    may_end.set()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_an_error_of_another_kind_ends_the_race(order: tuple[int, int]) -> None:
    both, _ = attempts(2)
    racing = asyncio.create_task(race(both, 0.001))
    await both[1].begun.wait()
    both[order[0]].fail(OverflowError("no such port"))
    with pytest.raises(OverflowError, match="no such port"):
        await racing
    assert both[order[1]].cancelled


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_an_error_of_another_kind_beside_a_winner_leaks_no_socket(order: tuple[int, int]) -> None:
    both, _ = attempts(2)
    racing = asyncio.create_task(race(both, 0.001))
    await both[1].begun.wait()
    both[order[0]].fail(OverflowError("no such port"))
    sock = both[order[1]].win()
    try:
        assert await racing is sock
    except OverflowError:
        assert sock.fileno() == -1
    sock.close()


async def test_a_delay_of_nothing_starts_them_all() -> None:
    all_three, started = attempts(3)
    racing = asyncio.create_task(race(all_three, 0))
    for attempt in all_three:
        await attempt.begun.wait()
    with all_three[2].win() as sock:
        assert await racing is sock
    assert started == [0, 1, 2]


async def test_attempts_are_forgotten_without_the_collector() -> None:
    """No ring through the frames of the race keeps an error, and what its traceback holds, alive."""

    class Telltale:
        pass

    def failing(telltale: Telltale) -> Callable[[], Awaitable[Any]]:
        async def attempt() -> socket.socket:
            held = telltale
            raise ConnectionRefusedError(repr(held))

        return attempt

    first, second = Telltale(), Telltale()
    gone = [weakref.ref(first), weakref.ref(second)]
    gc.collect()
    gc.disable()
    try:
        assert await race([failing(first), failing(second)], NEVER) is None
        del first, second
        await run_iterations(10)
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()
