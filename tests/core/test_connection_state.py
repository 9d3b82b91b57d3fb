"""ConnectionState: every event in every state, the properties of each state, and the error of wait_closed()."""

import re
import types
from typing import Any

import pytest

from core.core_modules import core_module

# The state after each event; None where the event cannot happen. Repeated here, so that a change of the source's table
# fails a test.
EXPECTED: dict[str, tuple[str, str, str | None]] = {
    # state: after CLOSE, CLOSE_LATE, LOSE
    "OPEN": ("CLOSING", "ENDING", "LOST"),
    "CLOSING": ("CLOSING", "CLOSING", "CLOSED"),
    "ENDING": ("ENDING", "ENDING", "FAILED"),
    "LOST": ("FAILED", "FAILED", None),
    "FAILED": ("FAILED", "FAILED", None),
    "CLOSED": ("CLOSED", "CLOSED", None),
}
EVENTS = ("CLOSE", "CLOSE_LATE", "LOSE")
PATHS: dict[str, tuple[str, ...]] = {
    "OPEN": (),
    "CLOSING": ("CLOSE",),
    "ENDING": ("CLOSE_LATE",),
    "LOST": ("LOSE",),
    "FAILED": ("LOSE", "CLOSE"),
    "CLOSED": ("CLOSE", "LOSE"),
}
# closing, lost, closed_first, discarding
PROPERTIES: dict[str, tuple[bool, bool, bool, bool]] = {
    "OPEN": (False, False, False, False),
    "CLOSING": (True, False, True, True),
    "ENDING": (True, False, False, True),
    "LOST": (False, True, False, True),
    "FAILED": (True, True, False, True),
    "CLOSED": (True, True, True, True),
}
PAIRS = [(state, event, EXPECTED[state][EVENTS.index(event)]) for state in EXPECTED for event in EVENTS]
CAUSE = ConnectionResetError("cause")


@pytest.fixture
def module(core: types.ModuleType) -> types.ModuleType:
    return core_module(core, "connection_state")


def connection_in(module: types.ModuleType, state: str) -> Any:
    connection = module.ConnectionState(None)
    for event in PATHS[state]:
        connection.apply(getattr(module, event))
    assert connection.state == getattr(module, state)
    return connection


def properties(connection: Any) -> tuple[bool, bool, bool, bool]:
    return connection.closing, connection.lost, connection.closed_first, connection.discarding


def test_table_has_every_state_and_no_other(module: types.ModuleType) -> None:
    assert module.TRANSITIONS.keys() == {getattr(module, state) for state in EXPECTED}


@pytest.mark.parametrize(("state", "event", "after"), [pair for pair in PAIRS if pair[2] is not None])
def test_event_leads_to_the_state_of_the_table(module: types.ModuleType, state: str, event: str, after: str) -> None:
    connection = connection_in(module, state)
    connection.apply(getattr(module, event))
    assert (
        connection.state == getattr(module, after) == module.TRANSITIONS[getattr(module, state)][getattr(module, event)]
    )
    assert properties(connection) == PROPERTIES[after]


@pytest.mark.parametrize(("state", "event"), [pair[:2] for pair in PAIRS if pair[2] is None])
def test_illegal_event_raises_and_changes_nothing(module: types.ModuleType, state: str, event: str) -> None:
    connection = connection_in(module, state)
    with pytest.raises(module.IllegalTransitionError, match=f"'{getattr(module, event)}' is impossible in state"):
        connection.apply(getattr(module, event))
    assert connection.state == getattr(module, state)
    assert properties(connection) == PROPERTIES[state]
    assert getattr(module, event) not in module.TRANSITIONS[getattr(module, state)]


def test_unknown_event_raises(module: types.ModuleType) -> None:
    with pytest.raises(module.IllegalTransitionError):
        connection_in(module, "OPEN").apply("reopen")


def test_illegal_transition_error_is_an_assertion_error(module: types.ModuleType) -> None:
    assert issubclass(module.IllegalTransitionError, AssertionError)


@pytest.mark.parametrize("state", PATHS)
def test_properties_follow_from_the_state(module: types.ModuleType, state: str) -> None:
    assert properties(connection_in(module, state)) == PROPERTIES[state]


@pytest.mark.parametrize(("late", "state"), [(False, "CLOSING"), (True, "ENDING")])
def test_begin_closing_distinguishes_a_late_close(module: types.ModuleType, late: bool, state: str) -> None:
    connection = module.ConnectionState(None)
    connection.begin_closing(late)
    assert connection.state == getattr(module, state)


def test_mark_lost_reports_the_first_call_only(module: types.ModuleType) -> None:
    connection = module.ConnectionState(None)
    assert connection.mark_lost(CAUSE) is True
    assert connection.mark_lost(None) is False
    assert connection.mark_lost(OSError("second")) is False
    assert (connection.error, connection.state) == (CAUSE, module.LOST)


@pytest.mark.parametrize("state", ["LOST", "FAILED", "CLOSED"])
def test_mark_lost_returns_false_once_lost(module: types.ModuleType, state: str) -> None:
    connection = connection_in(module, state)
    assert connection.mark_lost(CAUSE) is False
    assert (connection.error, connection.state) == (None, getattr(module, state))


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ("lose", CAUSE),
        ("close lose", None),
        ("late lose", CAUSE),
        ("lose close", CAUSE),
        ("lose late", CAUSE),
        ("close close lose", None),
        ("close late lose", None),
        ("late close lose", CAUSE),
        ("close lose close", None),
        ("late lose close", CAUSE),
    ],
)
def test_close_error_is_the_cause_unless_the_program_closed_first(
    module: types.ModuleType, steps: str, error: BaseException | None
) -> None:
    connection = module.ConnectionState(None)
    for step in steps.split():
        if step == "lose":
            assert connection.mark_lost(CAUSE)
        else:
            connection.begin_closing(step == "late")
    assert connection.close_error() is error
    assert connection.error is CAUSE


def test_close_error_is_none_where_the_connection_was_lost_without_an_error(module: types.ModuleType) -> None:
    connection = module.ConnectionState(None)
    connection.mark_lost(None)
    assert connection.close_error() is None


def test_new_connection_has_flow_control_and_no_receiver(module: types.ModuleType) -> None:
    loop = object()
    connection = module.ConnectionState(loop)
    assert (connection.receiver_ref, connection.flow.loop, connection.flow.paused) == (None, loop, False)


def test_docstring_lists_every_state_and_event(module: types.ModuleType) -> None:
    states, events = (
        set(re.findall(r"(?m)^\| ([A-Z_]+) +\|", table)) for table in (module.__doc__ or "").split("| event ")
    )
    assert states == set(EXPECTED)
    assert events == set(EVENTS)
    named = {getattr(module, name) for name in events}
    assert named == {event for transitions in module.TRANSITIONS.values() for event in transitions}
