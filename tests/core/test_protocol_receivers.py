"""A program's protocol receives every byte through its own methods; a stream receives without calling its protocol."""

import array
import types
import weakref
from typing import Any

import pytest

from core.core_modules import core_module
from core.receivers import (
    SCRATCH_SIZE,
    Case,
    CollectingProtocol,
    ResizingProtocol,
    new_case,
    put,
    stream_protocol,
    transfer,
)
from support.certificates import Certificates

KIB = 1024
MINIMUM = 4 * KIB


@pytest.fixture
def case(kind: str, core: types.ModuleType, tls: Certificates) -> Case:
    return new_case(kind, core, tls, None)


# -- protocols that raise, and memory that protocols lend -------------------------------------------------------------


class ProtocolError(Exception):
    pass


@pytest.mark.parametrize("kind", ["protocol", "protocol of a stream", "tls to protocol"])
def test_exception_of_data_received_reaches_the_caller(case: Case) -> None:
    case.protocol.error = ProtocolError()
    wire = case.encode(b"data")
    put(case.receiver.get_buffer(-1), wire)
    with pytest.raises(ProtocolError):
        case.receiver.committed(len(wire))
    with pytest.raises(ProtocolError):
        case.receiver.feed(case.encode(b"data"))
    case.protocol.error = None
    case.receiver.feed(case.encode(b"later"))
    assert case.received() == b"later"


buffered = pytest.mark.parametrize("kind", ["buffered protocol"])


@buffered
def test_exception_of_get_buffer_reaches_the_caller(case: Case) -> None:
    case.protocol.get_error = ProtocolError()
    with pytest.raises(ProtocolError):
        case.receiver.get_buffer(-1)
    with pytest.raises(ProtocolError):
        case.receiver.feed(b"data")
    case.protocol.get_error = None
    assert transfer(case, b"later", 5) is False
    assert case.received() == b"later"


@buffered
def test_exception_of_buffer_updated_reaches_the_caller_and_leaves_no_export(case: Case) -> None:
    case.protocol.updated_error = ProtocolError()
    put(case.receiver.get_buffer(-1), b"data")
    with pytest.raises(ProtocolError):
        case.receiver.committed(4)
    case.protocol.resize()
    with pytest.raises(ProtocolError):
        case.receiver.feed(b"data")
    case.protocol.resize()


@buffered
def test_get_buffer_returning_an_empty_buffer_is_an_error(case: Case) -> None:
    case.protocol.size = 0
    with pytest.raises(RuntimeError, match="empty buffer"):
        case.receiver.get_buffer(-1)
    with pytest.raises(RuntimeError, match="empty buffer"):
        case.receiver.feed(b"data")


@buffered
def test_empty_buffer_is_not_exported_after_the_error(case: Case) -> None:
    case.protocol.size = 0
    with pytest.raises(RuntimeError):
        case.receiver.get_buffer(-1)
    case.protocol.size = 10
    case.protocol.resize()


@buffered
def test_get_buffer_returning_no_buffer_is_an_error(case: Case) -> None:
    case.protocol.get_buffer = lambda sizehint: None
    with pytest.raises(TypeError):
        case.receiver.get_buffer(-1)


@buffered
def test_buffered_protocol_may_resize_its_buffer_in_buffer_updated(case: Case) -> None:
    for size in (5, 1000, 3):
        case.protocol.size = size
        put(case.receiver.get_buffer(-1), b"abc")
        assert case.receiver.committed(3) is False
        case.protocol.resize()
    assert case.received() == b"abcabcabc"


@buffered
def test_buffered_protocol_may_resize_its_buffer_in_a_repeated_get_buffer(case: Case) -> None:
    """A transport repeats get_buffer after it has received nothing."""
    memory = case.receiver.get_buffer(-1)
    del memory
    case.protocol.size = 100
    case.protocol.resizes_in_get_buffer = True
    memory = case.receiver.get_buffer(-1)
    assert len(memory) == 100
    put(memory, b"data")
    case.receiver.committed(4)
    assert case.received() == b"data"


@buffered
@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_feed_fills_as_many_buffers_as_the_data_needs(case: Case, size: int) -> None:
    case.protocol.size = size
    data = b"0123456789ab"
    assert case.receiver.feed(data) is False
    assert case.received() == data
    assert case.protocol.hints == [len(data) - done for done in range(0, len(data), size)]


@buffered
def test_get_buffer_with_multibyte_items_is_filled_by_bytes(case: Case) -> None:
    numbers = array.array("I", [0, 0])
    case.protocol.get_buffer = lambda sizehint: numbers
    case.protocol.buffer_updated = lambda n: None
    memory = case.receiver.get_buffer(-1)
    assert len(memory) == 2 * numbers.itemsize
    put(memory, b"\x01" * len(memory))
    del memory
    case.receiver.committed(2 * numbers.itemsize)
    assert numbers.tobytes() == b"\x01" * 2 * numbers.itemsize


# -- which receiver is used -------------------------------------------------------------------------------------------


class StreamProtocol:
    """A protocol of a stream with methods of its own; made by ``new_stream_protocol``."""

    received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data


def new_stream_protocol(core: types.ModuleType, receiver: Any) -> Any:
    """Return a ReceiverProvider for ``receiver`` that collects what its data_received is called with."""

    class Provider(StreamProtocol, core.ReceiverProvider):  # type: ignore[name-defined,misc]
        pass

    owner = core.ReceiverReference()
    owner.receiver_ref = None if receiver is None else weakref.ref(receiver)
    return Provider(owner)


def test_current_is_the_receiver_of_the_stream(core: types.ModuleType) -> None:
    reader = core.ReadOperations(KIB, None, False)
    receivers = core.ProtocolReceivers(stream_protocol(core, reader._sluiceway))
    receivers.attach(core.Scratch(KIB), None)
    assert receivers.current() is reader._sluiceway
    assert receivers.stream() is reader._sluiceway


def test_attach_reaches_the_receiver_of_the_stream(core: types.ModuleType) -> None:
    reader = core.ReadOperations(KIB, None, False)
    receivers = core.ProtocolReceivers(stream_protocol(core, reader._sluiceway))
    receivers.attach(core.Scratch(KIB), None)
    put(receivers.current().get_buffer(-1), b"data")
    receivers.current().committed(4)
    assert reader._sluiceway.buffer.take_all() == b"data"


def test_current_falls_back_to_the_protocol_when_the_reader_was_dropped(core: types.ModuleType) -> None:
    reader = core.ReadOperations(KIB, None, False)
    protocol = new_stream_protocol(core, reader._sluiceway)
    receivers = core.ProtocolReceivers(protocol)
    receivers.attach(core.Scratch(KIB), None)
    del reader
    assert receivers.stream() is None
    put(receivers.current().get_buffer(-1), b"data")
    receivers.current().committed(4)
    assert protocol.received == b"data"


@pytest.mark.parametrize(
    ("intercepted", "overrides", "called"),
    [
        (False, {}, False),
        (True, {}, True),
        (False, {"data_received": None}, True),
        (True, {"data_received": None}, True),
    ],
)
def test_bytes_go_through_a_protocol_that_intercepts_or_has_overrides(
    core: types.ModuleType, intercepted: bool, overrides: dict[str, Any], called: bool
) -> None:
    reader = core.ReadOperations(KIB, None, intercepted)
    protocol = new_stream_protocol(core, reader._sluiceway)
    receivers = core.ProtocolReceivers(protocol, overrides)
    receivers.attach(core.Scratch(KIB), None)
    receivers.current().feed(b"data")
    assert (protocol.received == b"data") is called
    assert (reader._sluiceway.buffer.size() == 4) is not called
    assert receivers.stream() is reader._sluiceway


def test_interception_set_between_two_arrivals_takes_effect(core: types.ModuleType) -> None:
    reader = core.ReadOperations(KIB, None, False)
    protocol = new_stream_protocol(core, reader._sluiceway)
    receivers = core.ProtocolReceivers(protocol)
    receivers.attach(core.Scratch(KIB), None)
    receivers.current().feed(b"direct")
    reader._sluiceway.intercepted = True
    receivers.current().feed(b"called")
    assert (reader._sluiceway.buffer.take_all(), protocol.received) == (b"direct", b"called")


def test_current_returns_the_same_protocol_receiver_each_time(core: types.ModuleType) -> None:
    receivers = core.ProtocolReceivers(CollectingProtocol())
    receivers.attach(core.Scratch(KIB), None)
    assert receivers.stream() is None
    assert receivers.current() is receivers.current()


def test_buffered_protocol_is_called_by_its_own_methods(core: types.ModuleType) -> None:
    protocol = ResizingProtocol()
    receivers = core.ProtocolReceivers(protocol)
    receivers.attach(core.Scratch(KIB), None)
    receivers.current().feed(b"data")
    assert protocol.received == b"data"


def test_protocol_of_a_full_stream_receives_only_what_there_is_room_for(core: types.ModuleType) -> None:
    reader = core.ReadOperations(8 * KIB, None, True)
    receivers = core.ProtocolReceivers(new_stream_protocol(core, reader._sluiceway))
    receivers.attach(core.Scratch(SCRATCH_SIZE), None)
    assert len(receivers.current().get_buffer(-1)) == 16 * KIB
    reader._sluiceway.feed(bytes(10 * KIB))
    assert len(receivers.current().get_buffer(-1)) == 6 * KIB


def test_protocol_of_a_dropped_stream_receives_all_of_the_scratch(core: types.ModuleType) -> None:
    reader = core.ReadOperations(KIB, None)
    receiver = core_module(core, "protocol_receiver").ProtocolReceiver(
        CollectingProtocol(), weakref.ref(reader._sluiceway)
    )
    receiver.attach(core.Scratch(SCRATCH_SIZE), None)
    assert len(receiver.get_buffer(-1)) == MINIMUM
    del reader
    assert len(receiver.get_buffer(-1)) == SCRATCH_SIZE
