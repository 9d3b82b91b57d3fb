"""Every name of asyncio's classes is sluiceway's own, or stands here as meant to be inherited (contracts S4-S6, S12).

Silent inheritance is the trap: a method that a newer Python adds would work on attributes that sluiceway does not keep.
"""

import asyncio
import inspect
from asyncio import base_events, streams
from typing import Any
from unittest import mock

import pytest

import sluiceway

CLASSES = {
    "StreamReader": streams.StreamReader,
    "StreamWriter": streams.StreamWriter,
    "StreamReaderProtocol": streams.StreamReaderProtocol,
    "FlowControlMixin": streams.FlowControlMixin,
    "Server": base_events.Server,
}
FUNCTIONS = ("open_connection", "start_server", "open_unix_connection", "start_unix_server")

# Not of asyncio's making, or of no use to override.
PYTHONS_OWN = {
    "__dict__",
    "__doc__",
    "__module__",
    "__slots__",
    "__weakref__",
    "__static_attributes__",
    "__firstlineno__",
}

INHERITED = {
    (
        "FlowControlMixin",
        "data_received",
    ): "asyncio's does nothing: the protocol of a transport that is only written to",
    ("FlowControlMixin", "eof_received"): "asyncio's does nothing and lets the transport close itself",
    ("Server", "__abstractmethods__"): "none",
    ("Server", "_abc_impl"): "none",
}

# What outsiders have no use for: how asyncio keeps what sluiceway keeps in its own way.
NOT_KEPT = {
    # A server's connections are made, and counted, by sluiceway itself.
    "Server": {
        "_protocol_factory",
        "_backlog",
        "_ssl_context",
        "_ssl_handshake_timeout",
        "_ssl_shutdown_timeout",
        "_active_count",
        "_clients",
        "_serving_forever_fut",
    },
    # A future that is always done.
    "StreamWriter": {"_complete_fut"},
    # One future for all who wait for the end, which one of them cancels for all (contract X6); and the warning for
    # what was never closed.
    "StreamReaderProtocol": {"_closed", "_reject_connection"},
    "serving StreamReaderProtocol": {"_closed", "_reject_connection"},
}


def names_of(reference: type) -> set[str]:
    return {name for kind in reference.__mro__ if kind is not object for name in vars(kind)} - PYTHONS_OWN


def resolved_in(kind: type, name: str) -> type:
    return next(base for base in kind.__mro__ if name in vars(base))


@pytest.mark.parametrize("kind", CLASSES)
def test_every_name_is_overridden_or_meant_to_be_inherited(kind: str) -> None:
    reference = CLASSES[kind]
    assert reference.__module__.startswith("asyncio."), "install() is on: this is no reference"
    ours = getattr(sluiceway, kind)
    inherited = {name for name in names_of(reference) if not resolved_in(ours, name).__module__.startswith("sluiceway")}
    assert inherited <= {name for of, name in INHERITED if of == kind}


def test_what_is_listed_as_inherited_is_inherited() -> None:
    for kind, name in INHERITED:
        if hasattr(CLASSES[kind], name):
            assert not resolved_in(getattr(sluiceway, kind), name).__module__.startswith("sluiceway"), (kind, name)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_method_is_of_asyncios_kind(kind: str) -> None:
    """A coroutine function stays one, a property one, a plain method one."""
    ours = getattr(sluiceway, kind)
    for name in names_of(CLASSES[kind]):
        theirs, own = inspect.getattr_static(CLASSES[kind], name), inspect.getattr_static(ours, name)
        # __anext__ of a compiled class is a slot, not a function.
        slot = name == "__anext__" and not inspect.isfunction(own)
        assert inspect.iscoroutinefunction(theirs) == inspect.iscoroutinefunction(own) or slot, name
        assert isinstance(theirs, property) == isinstance(own, property), name
        assert callable(theirs) == callable(own), name


def accepted_by(signature: inspect.Signature, reference: inspect.Signature) -> list[str]:
    """What ``reference`` takes and ``signature`` does not, or not in the same place or without being given."""
    mine = signature.parameters
    takes_any = any(one.kind is one.VAR_KEYWORD for one in mine.values())
    wrong = []
    positions = [one.name for one in mine.values() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    for place, one in enumerate(reference.parameters.values()):
        if one.kind is one.VAR_KEYWORD:
            continue
        own = mine.get(one.name)
        if own is None:
            if not (takes_any and one.kind is one.KEYWORD_ONLY):
                wrong.append(f"{one.name} is not taken")
            continue
        if one.kind is one.POSITIONAL_OR_KEYWORD and (place >= len(positions) or positions[place] != one.name):
            wrong.append(f"{one.name} is not at position {place}")
        if one.kind is one.POSITIONAL_OR_KEYWORD and own.kind is own.POSITIONAL_ONLY:
            wrong.append(f"{one.name} cannot be given by name")
        if one.default is not one.empty and own.default is own.empty:
            wrong.append(f"{one.name} must be given")
    known = reference.parameters
    optional = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return wrong + [
        f"{own.name} must be given, and asyncio does not know it"
        for own in mine.values()
        if own.default is own.empty and own.kind not in optional and own.name not in known
    ]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_public_method_accepts_at_least_what_asyncios_does(kind: str) -> None:
    """S4, S5, S6, S10. A Server is made by the functions alone."""
    ours = getattr(sluiceway, kind)
    names = {name for name in names_of(CLASSES[kind]) if not name.startswith("_")}
    names |= {"__init__", "_drain_helper", "_get_close_waiter", "_wait_for_data", "_attach", "_detach"}
    names -= {"__init__"} if kind == "Server" else set()
    for name in sorted(names & set(dir(CLASSES[kind]))):
        theirs = inspect.getattr_static(CLASSES[kind], name)
        if callable(theirs):
            wrong = accepted_by(inspect.signature(getattr(ours, name)), inspect.signature(theirs))
            assert not wrong, f"{kind}.{name}: {wrong}"


def test_the_check_of_signatures_sees_what_is_missing() -> None:
    def reference(self: Any, a: int, b: int = 1, *, c: int = 2) -> None: ...
    def moved(self: Any, b: int = 1, a: int = 0, *, c: int = 2) -> None: ...
    def narrower(self: Any, a: int, *, c: int) -> None: ...
    def wider(self: Any, a: int, b: int = 1, d: int = 3, *, c: int = 2, e: int = 4) -> None: ...

    wanted = inspect.signature(reference)
    assert accepted_by(inspect.signature(wider), wanted) == []
    assert accepted_by(inspect.signature(moved), wanted) == ["a is not at position 1", "b is not at position 2"]
    assert accepted_by(inspect.signature(narrower), wanted) == ["b is not taken", "c must be given"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_accepts_at_least_what_asyncios_does(name: str) -> None:
    """S1, S2, S3"""
    ours = getattr(sluiceway, name)
    assert inspect.iscoroutinefunction(ours)
    assert not accepted_by(inspect.signature(ours), inspect.signature(getattr(streams, name)))
    assert "loop" in inspect.signature(ours).parameters


@pytest.mark.parametrize(
    ("name", "passed_on_to"),
    [
        ("open_connection", "create_connection"),
        ("start_server", "create_server"),
        ("open_unix_connection", "create_unix_connection"),
        ("start_unix_server", "create_unix_server"),
    ],
)
def test_every_keyword_that_asyncio_passes_on_to_the_loop_is_accepted(name: str, passed_on_to: str) -> None:
    """S10"""
    theirs = inspect.signature(getattr(asyncio.SelectorEventLoop, passed_on_to)).parameters
    ours = inspect.signature(getattr(sluiceway, name)).parameters
    missing = {one for one in theirs if one not in ours} - {"self", "protocol_factory"}
    assert not missing


async def instances(names: Any) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    reader = names.StreamReader(loop=loop)
    protocol = names.StreamReaderProtocol(reader, loop=loop)
    # A server's side keeps more: the callback, the reader.
    serving = names.StreamReaderProtocol(reader, lambda *_: None, loop=loop)
    transport = mock.create_autospec(asyncio.Transport, instance=True)
    transport.is_closing.return_value = True
    writer = names.StreamWriter(transport, protocol, reader, loop)
    server = await names.start_server(lambda *_: None, "127.0.0.1", 0)
    try:
        return {
            "StreamReader": reader,
            "StreamReaderProtocol": protocol,
            "serving StreamReaderProtocol": serving,
            "StreamWriter": writer,
            "FlowControlMixin": streams.FlowControlMixin(loop) if names is asyncio else names.FlowControlMixin(loop),
            "Server": server,
        }
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.loops("asyncio")
async def test_every_attribute_of_asyncios_instances_answers() -> None:
    """S12: what outsiders read from the inside is there."""
    theirs, ours = await instances(asyncio), await instances(sluiceway)
    for kind, reference in theirs.items():
        missing = {name for name in vars(reference) if not hasattr(ours[kind], name)} - NOT_KEPT.get(kind, set())
        assert not missing, f"{kind}: {missing}"


def test_exceptions_are_asyncios() -> None:
    """S7: whichever name is caught."""
    assert sluiceway.IncompleteReadError is asyncio.IncompleteReadError
    assert sluiceway.LimitOverrunError is asyncio.LimitOverrunError
