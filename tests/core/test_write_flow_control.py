"""WriteFlowControl: which errors are those of a connection, which object it stores of an error, and whom it wakes."""

import types
from collections.abc import Callable, Generator
from typing import Any

import pytest

from core.core_modules import core_module


@pytest.fixture
def flows(core: types.ModuleType) -> tuple[Any, Any]:
    """The WriteFlowControl of two connections."""
    kind = core_module(core, "write_flow_control").WriteFlowControl
    return kind(None), kind(None)


def test_error_of_one_connection_is_its_own_and_not_another(flows: tuple[Any, Any]) -> None:
    first, second = flows
    error = ConnectionResetError(104, "Connection reset by peer")
    assert not first.raised(error)
    assert first.own(error) is error
    assert first.raised(error)
    assert not second.raised(error)


def test_error_of_another_connection_is_copied(flows: tuple[Any, Any]) -> None:
    """A protocol of the program may pass the loss of one connection on to another, as a proxy does."""
    first, second = flows
    error = first.own(ConnectionResetError(104, "Connection reset by peer"))
    copied = second.own(error)
    assert (type(copied), copied.args) == (type(error), error.args)
    assert copied is not error
    assert (first.raised(error), second.raised(error)) == (True, False)
    assert (first.raised(copied), second.raised(copied)) == (False, True)


def test_raised_error_is_copied_without_traceback_and_not_marked(flows: tuple[Any, Any]) -> None:
    """The traceback would keep alive what the frames of the program refer to."""
    first, _ = flows
    error = ConnectionResetError(104, "Connection reset by peer")
    with pytest.raises(ConnectionResetError):
        raise error
    copied = first.own(error)
    assert error.__traceback__ is not None
    assert copied.__traceback__ is None
    assert (first.raised(error), first.raised(copied)) == (False, True)


class _Waiter:
    """A future of a loop that calls ``woken`` when it is resolved."""

    def __init__(self, woken: Callable[[], object]) -> None:
        self.resolved = False
        self._woken = woken

    def done(self) -> bool:
        return self.resolved

    def set_result(self, _: None) -> None:
        self.resolved = True
        self._woken()

    def __await__(self) -> Generator[None, None, None]:
        yield


@pytest.mark.parametrize("wake", ["resume", "end"])
def test_wait_that_ends_while_others_are_woken_does_not_keep_them_waiting(core: types.ModuleType, wake: str) -> None:
    """A finalizer that runs meanwhile may run the loop nested, in which the wait of a cancelled task ends."""
    waiters: list[_Waiter] = []

    def create_future() -> _Waiter:
        waiters.append(_Waiter(lambda: waits[2].close()))
        return waiters[-1]

    loop = types.SimpleNamespace(create_future=create_future)
    flow = core_module(core, "write_flow_control").WriteFlowControl(loop)
    flow.pause()
    waits = [flow.wait(None) for _ in range(3)]
    for wait in waits:
        wait.send(None)
    flow.resume() if wake == "resume" else flow.end(None)
    assert [waiter.resolved for waiter in waiters[:2]] == [True, True]
    for wait in waits:
        wait.close()
