"""S4, S5, S6, S12: every name of asyncio's classes is overridden by sluiceway, or listed here as inherited.

A method that a newer Python adds would otherwise be inherited unnoticed, and use attributes that sluiceway does not
have.
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

# Not defined by asyncio, or not to be overridden.
DEFINED_BY_PYTHON = {
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

# Attributes for asyncio's own use: sluiceway stores the same otherwise.
NOT_PROVIDED = {
    # sluiceway makes and counts the connections of a server itself.
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
    # One future for all calls of wait_closed(), which a cancelled one cancels for all (contract X6); and the warning
    # for an unclosed connection.
    "StreamReaderProtocol": {"_closed", "_reject_connection"},
    "serving StreamReaderProtocol": {"_closed", "_reject_connection"},
}


def names_of(reference: type) -> set[str]:
    return {name for kind in reference.__mro__ if kind is not object for name in vars(kind)} - DEFINED_BY_PYTHON


def resolved_in(kind: type, name: str) -> type:
    return next(base for base in kind.__mro__ if name in vars(base))


@pytest.mark.parametrize("kind", CLASSES)
def test_name_of_asyncio_class_is_overridden_or_listed_as_inherited(kind: str) -> None:
    reference = CLASSES[kind]
    assert reference.__module__.startswith("asyncio."), "install() is on: asyncio's names are sluiceway's"
    ours = getattr(sluiceway, kind)
    inherited = {name for name in names_of(reference) if not resolved_in(ours, name).__module__.startswith("sluiceway")}
    assert inherited <= {name for of, name in INHERITED if of == kind}


def test_name_listed_as_inherited_is_inherited() -> None:
    for kind, name in INHERITED:
        if hasattr(CLASSES[kind], name):
            assert not resolved_in(getattr(sluiceway, kind), name).__module__.startswith("sluiceway"), (kind, name)


@pytest.mark.parametrize("kind", CLASSES)
def test_member_has_kind_of_asyncio_member(kind: str) -> None:
    """A coroutine function, a property and a plain method stay what they are in asyncio."""
    ours = getattr(sluiceway, kind)
    for name in names_of(CLASSES[kind]):
        theirs, own = inspect.getattr_static(CLASSES[kind], name), inspect.getattr_static(ours, name)
        # __anext__ of a compiled class is a slot, not a function.
        slot = name == "__anext__" and not inspect.isfunction(own)
        assert inspect.iscoroutinefunction(theirs) == inspect.iscoroutinefunction(own) or slot, name
        assert isinstance(theirs, property) == isinstance(own, property), name
        assert callable(theirs) == callable(own), name


def signature_differences(signature: inspect.Signature, reference: inspect.Signature) -> list[str]:
    """Return the arguments of ``reference`` that ``signature`` lacks, has elsewhere or requires."""
    parameters = signature.parameters
    has_var_keyword = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    differences = []
    positions = [
        parameter.name
        for parameter in parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    for place, parameter in enumerate(reference.parameters.values()):
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        own = parameters.get(parameter.name)
        if own is None:
            if not (has_var_keyword and parameter.kind is parameter.KEYWORD_ONLY):
                differences.append(f"{parameter.name} is not accepted")
            continue
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and (
            place >= len(positions) or positions[place] != parameter.name
        ):
            differences.append(f"{parameter.name} is not at position {place}")
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and own.kind is own.POSITIONAL_ONLY:
            differences.append(f"{parameter.name} cannot be given by name")
        if parameter.default is not parameter.empty and own.default is own.empty:
            differences.append(f"{parameter.name} must be given")
    reference_parameters = reference.parameters
    optional = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return differences + [
        f"{own.name} must be given, and asyncio does not have it"
        for own in parameters.values()
        if own.default is own.empty and own.kind not in optional and own.name not in reference_parameters
    ]


@pytest.mark.parametrize("kind", CLASSES)
def test_public_method_accepts_arguments_of_asyncio(kind: str) -> None:
    """S4, S5, S6, S10: programs do not construct a Server, so its constructor is left out."""
    ours = getattr(sluiceway, kind)
    names = {name for name in names_of(CLASSES[kind]) if not name.startswith("_")}
    names |= {"__init__", "_drain_helper", "_get_close_waiter", "_wait_for_data", "_attach", "_detach"}
    names -= {"__init__"} if kind == "Server" else set()
    for name in sorted(names & set(dir(CLASSES[kind]))):
        theirs = inspect.getattr_static(CLASSES[kind], name)
        if callable(theirs):
            differences = signature_differences(inspect.signature(getattr(ours, name)), inspect.signature(theirs))
            assert not differences, f"{kind}.{name}: {differences}"


def test_signature_differences_lists_moved_missing_and_required_arguments() -> None:
    def reference(self: Any, a: int, b: int = 1, *, c: int = 2) -> None: ...
    def moved(self: Any, b: int = 1, a: int = 0, *, c: int = 2) -> None: ...
    def narrower(self: Any, a: int, *, c: int) -> None: ...
    def wider(self: Any, a: int, b: int = 1, d: int = 3, *, c: int = 2, e: int = 4) -> None: ...

    expected = inspect.signature(reference)
    assert signature_differences(inspect.signature(wider), expected) == []
    assert signature_differences(inspect.signature(moved), expected) == [
        "a is not at position 1",
        "b is not at position 2",
    ]
    assert signature_differences(inspect.signature(narrower), expected) == ["b is not accepted", "c must be given"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_accepts_arguments_of_asyncio(name: str) -> None:
    """S1, S2, S3: the four functions accept every argument that asyncio's accept."""
    ours = getattr(sluiceway, name)
    assert inspect.iscoroutinefunction(ours)
    assert not signature_differences(inspect.signature(ours), inspect.signature(getattr(streams, name)))
    assert "loop" in inspect.signature(ours).parameters


@pytest.mark.parametrize(
    ("name", "loop_method"),
    [
        ("open_connection", "create_connection"),
        ("start_server", "create_server"),
        ("open_unix_connection", "create_unix_connection"),
        ("start_unix_server", "create_unix_server"),
    ],
)
def test_function_accepts_keywords_that_asyncio_passes_to_loop(name: str, loop_method: str) -> None:
    """S10: every keyword of the loop's method is accepted."""
    theirs = inspect.signature(getattr(asyncio.SelectorEventLoop, loop_method)).parameters
    ours = inspect.signature(getattr(sluiceway, name)).parameters
    missing = {parameter for parameter in theirs if parameter not in ours} - {"self", "protocol_factory"}
    assert not missing


async def instances(names: Any) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    reader = names.StreamReader(loop=loop)
    protocol = names.StreamReaderProtocol(reader, loop=loop)
    # The protocol of an accepted connection also has the callback and the reader.
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
async def test_instance_has_every_attribute_of_asyncio_instance() -> None:
    """S12: attributes that programs read from asyncio's objects exist."""
    theirs, ours = await instances(asyncio), await instances(sluiceway)
    for kind, reference in theirs.items():
        missing = {name for name in vars(reference) if not hasattr(ours[kind], name)} - NOT_PROVIDED.get(kind, set())
        assert not missing, f"{kind}: {missing}"
