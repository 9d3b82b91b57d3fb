"""Code of the program that runs while a record is decrypted, such as ``__del__``, may run the loop nested.

Then the loop receives for other connections, into the shared scratch memory, and for the same one.
"""

import contextlib
import types

import pytest

from core.tls_cores import TLSEnd, connected_tls_ends, tls_ends_before_last_flight
from support.certificates import Certificates

DATA = b"".join(b"%07d\n" % number for number in range(5000))
SCRATCH = 1 << 18


def deliver(end: TLSEnd, records: bytes) -> None:
    """Receive ``records`` as a transport does."""
    memory = memoryview(end.receiver.get_buffer(-1))
    memory[: len(records)] = records
    memory.release()
    end.receiver.committed(len(records))


@pytest.mark.parametrize("nested", ["other connection", "same connection"])
def test_nested_receive_while_a_record_is_decrypted_changes_nothing(
    core: types.ModuleType, tls: Certificates, nested: str
) -> None:
    client, server = connected_tls_ends(core, tls)
    scratch = core.Scratch(SCRATCH)
    client.receiver.attach(scratch, None)
    # A tenth in each record, half of them in each receive.
    size = len(DATA) // 10
    for start in range(0, len(DATA), size):
        server.sender.write(DATA[start : start + size])
    records, server.sent = server.sent, b""
    half = 5 * (len(records) // 10)

    def receive_nested() -> None:
        client.sslobject.after_read = None
        if nested == "same connection":
            deliver(client, records[half:])
        else:
            memory = memoryview(scratch.part(SCRATCH))
            memory[:] = bytes(SCRATCH)

    client.sslobject.after_read = receive_nested
    deliver(client, records[:half])
    if nested == "other connection":
        deliver(client, records[half:])
    assert client.failures == []
    assert client.received == DATA


def test_scratch_memory_stays_the_same_unless_a_view_exists(core: types.ModuleType) -> None:
    scratch = core.Scratch(SCRATCH)
    for _ in range(2):
        memory = memoryview(scratch.part(10))
        memory[:] = b"0123456789"
        memory.release()
        # Not overwritten: it is the same memory.
        assert scratch.take(10) == b"0123456789"
        scratch.part(5)
        assert scratch.take(10) == b"0123456789"
    view = scratch.view(10)
    memory = memoryview(scratch.part(10))
    memory[:] = b"abcdefghij"
    memory.release()
    assert scratch.take(10) == b"abcdefghij"
    assert view == b"0123456789"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_of_protocol_after_nested_end_of_connection_is_not_reported(
    core: types.ModuleType, tls: Certificates, error: type[BaseException]
) -> None:
    """The protocol may run the loop nested, in which the connection ends."""
    client, server = connected_tls_ends(core, tls)

    class EndsAndFails:
        def data_received(self, data: bytes) -> None:
            client.receiver.detach()
            raise error

    client.receiver.set_protocol(EndsAndFails())
    server.sender.write(b"data")
    # Arrives with the data.
    server.sender.send_close_notify()
    with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else contextlib.nullcontext():
        client.receive_from(server)
    assert (client.failures, client.close_notifies_received) == ([], 0)


def test_receive_in_a_loop_nested_in_the_handler_delivers_in_order(core: types.ModuleType, tls: Certificates) -> None:
    """The handler starts at the end of the handshake, with which the first data may have arrived."""
    client, server = tls_ends_before_last_flight(core, tls)
    client.sender.write(b"first ")

    def receive_nested() -> None:
        client.sender.write(b"second ")
        client.sender.send_close_notify()
        server.receive_from(client)

    server.handshake_completed = receive_nested
    server.receive_from(client)
    assert server.failures == []
    assert server.received == b"first second "
    assert server.close_notifies_received


def test_receive_in_a_loop_nested_in_pause_writing_delivers_in_order(core: types.ModuleType, tls: Certificates) -> None:
    """An arrival may let pending plaintext be sent, which pauses writing."""
    client, server = connected_tls_ends(core, tls)
    server.sender.write(b"first ")
    first, server.sent = server.sent, b""
    server.sender.write(b"second ")
    client.sslobject.renegotiating = True
    client.sender.write(DATA)
    client.sslobject.renegotiating = False
    client.room = 1
    client.when_paused = lambda: client.receive_from(server)
    client.receiver.feed(first)
    assert client.received == b"first second "
    # Sent on arrival.
    server.receive_from(client)
    assert server.received == DATA
    assert (client.failures, client.sender.pending_size()) == ([], 0)


@pytest.mark.parametrize("end", ["eof", "lost"])
def test_end_in_a_loop_nested_in_the_handler_comes_after_the_data(
    core: types.ModuleType, tls: Certificates, end: str
) -> None:
    client, server = tls_ends_before_last_flight(core, tls)
    client.sender.write(b"first")
    received: list[bytes] = []
    server.lower_eof = server.lower_lost = lambda *_: received.append(server.received)  # type: ignore[attr-defined]
    server.handshake_completed = server.receiver.eof if end == "eof" else lambda: server.receiver.lost(None)
    server.receive_from(client)
    assert received == [b"first"]
    assert server.failures == []
    assert server.received == b"first"
