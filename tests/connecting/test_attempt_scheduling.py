"""RFC 8305, section 5: when an attempt starts, which one wins, and what happens to the others."""

import asyncio
import gc
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sluiceway._net.happy_eyeballs import race
from support.manual_timers import manual_timers
from support.scheduling import run_iterations, wait_until

NO_TIMEOUT = 3600.0


class Attempt:
    """A connection attempt whose result the test sets."""

    def __init__(self, number: int, started: list[int]) -> None:
        self.number = number
        self.running = asyncio.Event()
        self.outcome: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        self.cancelled = False
        self._started = started

    async def __call__(self) -> socket.socket:
        self._started.append(self.number)
        self.running.set()
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


def new_attempts(count: int) -> tuple[list[Attempt], list[int]]:
    started: list[int] = []
    return [Attempt(number, started) for number in range(count)], started


async def test_single_attempt_wins() -> None:
    (only,), _ = new_attempts(1)
    race_task = asyncio.create_task(race([only], NO_TIMEOUT))
    await only.running.wait()
    sock = only.win()
    with sock:
        assert await race_task is sock


async def test_no_attempts_give_none() -> None:
    assert await race([], NO_TIMEOUT) is None


async def test_second_attempt_does_not_start_before_delay() -> None:
    (first, second), started = new_attempts(2)
    race_task = asyncio.create_task(race([first, second], NO_TIMEOUT))
    await first.running.wait()
    await run_iterations(10)
    assert started == [0]
    with first.win():
        await race_task
    assert started == [0]


async def test_next_attempt_starts_after_delay_and_losers_are_cancelled() -> None:
    (first, second, third), started = new_attempts(3)
    race_task = asyncio.create_task(race([first, second, third], 0.001))
    await third.running.wait()
    assert started == [0, 1, 2]
    with first.win() as sock:
        assert await race_task is sock
    assert second.cancelled
    assert third.cancelled
    assert not first.cancelled


async def test_failed_attempt_starts_next_immediately() -> None:
    (first, second, third), started = new_attempts(3)
    race_task = asyncio.create_task(race([first, second, third], NO_TIMEOUT))
    await first.running.wait()
    first.fail()
    await second.running.wait()
    assert started == [0, 1]
    second.fail()
    await third.running.wait()
    with third.win() as sock:
        assert await race_task is sock


async def test_failure_of_earlier_attempt_starts_next_immediately() -> None:
    (first, second, third), started = new_attempts(3)

    with manual_timers(NO_TIMEOUT) as timers:
        race_task = asyncio.create_task(race([first, second, third], NO_TIMEOUT))
        await first.running.wait()
        await wait_until(timers.fire)
        await second.running.wait()
        assert started == [0, 1]
        first.fail()
        await third.running.wait()
        with second.win() as sock:
            assert await race_task is sock
    assert third.cancelled


async def test_failure_of_all_attempts_gives_none() -> None:
    attempts, started = new_attempts(3)
    race_task = asyncio.create_task(race(attempts, NO_TIMEOUT))
    for attempt in attempts:
        await attempt.running.wait()
        attempt.fail()
    assert await race_task is None
    assert started == [0, 1, 2]


async def test_second_of_two_simultaneous_winners_is_closed() -> None:
    (first, second), _ = new_attempts(2)
    race_task = asyncio.create_task(race([first, second], 0.001))
    await second.running.wait()
    sockets = {first.win(), second.win()}
    winner = await race_task
    assert winner is not None
    (loser,) = sockets - {winner}
    assert winner.fileno() >= 0
    assert loser.fileno() == -1
    winner.close()


async def test_socket_of_attempt_that_ignores_cancellation_is_closed() -> None:
    (first, _), started = new_attempts(2)
    made: list[socket.socket] = []
    running = asyncio.Event()

    async def ignore_cancellation() -> socket.socket:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            made.append(socket.socket())
        return made[0]

    race_task = asyncio.create_task(race([ignore_cancellation, first], 0.001))
    await first.running.wait()
    with first.win() as sock:
        assert await race_task is sock
    assert made[0].fileno() == -1


async def test_race_waits_for_cancelled_attempts() -> None:
    (first, _), _ = new_attempts(2)
    ended = False

    async def end_slowly() -> socket.socket:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await run_iterations(10)
            ended = True
        raise AssertionError

    race_task = asyncio.create_task(race([end_slowly, first], 0.001))
    await first.running.wait()
    with first.win():
        await race_task
    assert ended


async def test_cancelled_race_cancels_every_attempt() -> None:
    (first, second, third), started = new_attempts(3)
    race_task = asyncio.create_task(race([first, second, third], 0.001))
    await third.running.wait()
    race_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race_task
    assert first.cancelled
    assert second.cancelled
    assert third.cancelled


async def test_race_cancelled_as_attempt_wins_closes_socket() -> None:
    (first,), _ = new_attempts(1)
    race_task = asyncio.create_task(race([first], NO_TIMEOUT))
    await first.running.wait()
    await run_iterations(10)
    sock = first.win()
    race_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race_task
    assert sock.fileno() == -1


async def test_race_cancelled_while_losers_end_closes_winner() -> None:
    """The caller does not get the socket of the winner, so the race closes it."""
    (first, _), _ = new_attempts(2)
    ending = asyncio.Event()
    may_end = asyncio.Event()

    async def end_slowly() -> socket.socket:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()
        raise AssertionError

    race_task = asyncio.create_task(race([end_slowly, first], 0.001))
    await first.running.wait()
    sock = first.win()
    await ending.wait()
    race_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race_task
    assert sock.fileno() == -1
    may_end.set()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_error_other_than_os_error_ends_race(order: tuple[int, int]) -> None:
    both, _ = new_attempts(2)
    race_task = asyncio.create_task(race(both, 0.001))
    await both[1].running.wait()
    both[order[0]].fail(OverflowError("no such port"))
    with pytest.raises(OverflowError, match="no such port"):
        await race_task
    assert both[order[1]].cancelled


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_error_other_than_os_error_beside_winner_leaks_no_socket(order: tuple[int, int]) -> None:
    both, _ = new_attempts(2)
    race_task = asyncio.create_task(race(both, 0.001))
    await both[1].running.wait()
    both[order[0]].fail(OverflowError("no such port"))
    sock = both[order[1]].win()
    try:
        assert await race_task is sock
    except OverflowError:
        assert sock.fileno() == -1
    sock.close()


async def test_zero_delay_starts_all_attempts() -> None:
    attempts, started = new_attempts(3)
    race_task = asyncio.create_task(race(attempts, 0))
    for attempt in attempts:
        await attempt.running.wait()
    with attempts[2].win() as sock:
        assert await race_task is sock
    assert started == [0, 1, 2]


async def test_failed_attempts_form_no_reference_cycle() -> None:
    """No cycle through the frames of the race keeps an error, and what its traceback refers to, alive."""

    class Marker:
        pass

    def failing(marker: Marker) -> Callable[[], Awaitable[Any]]:
        async def attempt() -> socket.socket:
            referenced = marker
            raise ConnectionRefusedError(repr(referenced))

        return attempt

    first, second = Marker(), Marker()
    references = [weakref.ref(first), weakref.ref(second)]
    gc.collect()
    gc.disable()
    try:
        assert await race([failing(first), failing(second)], NO_TIMEOUT) is None
        del first, second
        await run_iterations(10)
        assert [ref() for ref in references] == [None, None]
    finally:
        gc.enable()
