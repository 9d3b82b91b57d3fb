"""Code that runs at the beginning of the lower transport's write(), before it accepts the record, uses the connection.

A signal handler can run there, and from Python 3.12 a finalizer. The records must keep the order of their encryption.
"""

import contextlib
import sys
import types
from collections.abc import Callable

import pytest

from core.tls_cores import TLSEnd, connected_tls_ends
from support.certificates import Certificates

# More than one record.
LARGE = bytes(range(251)) * 8000
SIZES = pytest.mark.parametrize("size", [5, 40_000, len(LARGE)])


def run_before_next_record(client: TLSEnd, call: Callable[[], object]) -> None:
    """Call ``call`` in the next write() of the lower transport of ``client``, before it accepts the record."""
    accept = client.write

    def write(data: bytes) -> None:
        client.write = accept  # type: ignore[method-assign]
        call()
        accept(data)

    client.write = write  # type: ignore[method-assign]


def run_after_next_record(client: TLSEnd, call: Callable[[], object]) -> None:
    """Call ``call`` in the next write() of the lower transport of ``client``, after it has accepted the record."""
    accept = client.write

    def write(data: bytes) -> None:
        client.write = accept  # type: ignore[method-assign]
        accept(data)
        call()

    client.write = write  # type: ignore[method-assign]


def answer(client: TLSEnd) -> None:
    """Act as if a message had arrived that OpenSSL answers. The record of a write stands for the answer."""
    client.sslobject.write(b"answer")
    client.sender.output_pending = True
    client.receiver.feed(b"")


@SIZES
@pytest.mark.parametrize("other", [b"other", LARGE], ids=["short", "long"])
def test_write_before_the_record_is_accepted_is_sent_after_it(
    core: types.ModuleType, tls: Certificates, size: int, other: bytes
) -> None:
    client, server = connected_tls_ends(core, tls)
    run_before_next_record(client, lambda: client.sender.write(other))
    client.sender.write(LARGE[:size])
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert (server.received, client.sender.pending_size()) == (LARGE[:size] + other, 0)


@SIZES
def test_close_before_the_record_is_accepted_is_sent_after_it(
    core: types.ModuleType, tls: Certificates, size: int
) -> None:
    client, server = connected_tls_ends(core, tls)
    run_before_next_record(client, client.sender.send_close_notify)
    client.sender.write(LARGE[:size])
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert (server.received, server.close_notifies_received, client.close_notifies_sent) == (LARGE[:size], 1, 1)


@SIZES
def test_output_of_openssl_before_the_record_is_accepted_is_sent_after_it(
    core: types.ModuleType, tls: Certificates, size: int
) -> None:
    """A finalizer that runs the loop nested may receive a message that OpenSSL answers."""
    client, server = connected_tls_ends(core, tls)
    run_before_next_record(client, lambda: answer(client))
    client.sender.write(LARGE[:size])
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert server.received.replace(b"answer", b"") == LARGE[:size]
    assert b"answer" in server.received


def test_write_before_the_output_of_openssl_is_accepted_is_sent_after_it(
    core: types.ModuleType, tls: Certificates
) -> None:
    client, server = connected_tls_ends(core, tls)
    run_before_next_record(client, lambda: client.sender.write(b"other"))
    answer(client)
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert server.received == b"answerother"


@SIZES
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_exception_before_the_record_is_accepted_aborts_the_connection(
    core: types.ModuleType, tls: Certificates, size: int, error: type[BaseException]
) -> None:
    """The record is lost, and the peer would refuse later ones."""
    client, _ = connected_tls_ends(core, tls)

    def fail() -> None:
        client.sender.write(b"other")
        raise error

    run_before_next_record(client, fail)
    with pytest.raises(error):
        client.sender.write(LARGE[:size])
    assert [type(failure) for failure in client.failures] == [ConnectionAbortedError]
    assert (client.sent, client.sender.pending_size()) == (b"", 0)


def test_exception_before_the_output_of_openssl_is_accepted_aborts_the_connection(
    core: types.ModuleType, tls: Certificates
) -> None:
    client, _ = connected_tls_ends(core, tls)

    def fail() -> None:
        raise KeyboardInterrupt

    def answer_and_fail_later() -> None:
        answer(client)
        run_before_next_record(client, fail)

    # The answer is sent after the record of the write.
    run_after_next_record(client, answer_and_fail_later)
    with pytest.raises(KeyboardInterrupt):
        client.sender.write(b"short")
    assert [type(failure) for failure in client.failures] == [ConnectionAbortedError]


@SIZES
def test_exception_of_pause_writing_after_the_record_is_accepted_keeps_the_connection(
    core: types.ModuleType, tls: Certificates, size: int
) -> None:
    client, server = connected_tls_ends(core, tls)
    client.room = 0

    def interrupt() -> None:
        raise KeyboardInterrupt

    client.when_paused = interrupt
    with pytest.raises(KeyboardInterrupt):
        client.sender.write(LARGE[:size])
    client.when_paused = None
    while client.sent:
        server.receive_from(client)
        client.resume()
    assert client.failures == server.failures == []
    assert server.received == LARGE[:size]


def test_flow_control_is_updated_after_the_record(core: types.ModuleType, tls: Certificates) -> None:
    client, _ = connected_tls_ends(core, tls)
    run_before_next_record(client, lambda: client.sender.write(LARGE))
    client.sender.write(b"short")
    assert client.sender.pending_size() == 0
    assert client.flow_control_updates == 2


def test_end_before_the_record_is_accepted_raises_nothing(core: types.ModuleType, tls: Certificates) -> None:
    client, _ = connected_tls_ends(core, tls)

    def end() -> None:
        client.sender.write(b"other")
        client.sender.detach()
        answer(client)

    run_before_next_record(client, end)
    client.sender.write(b"short")
    assert client.failures == []


@SIZES
def test_end_within_the_encryption_raises_nothing(core: types.ModuleType, tls: Certificates, size: int) -> None:
    """A finalizer may run the loop nested, which reports the end."""
    client, _ = connected_tls_ends(core, tls)
    client.sslobject.after_write = client.sender.detach
    client.sender.write(LARGE[:size])
    assert (client.sent, client.failures) == (b"", [])


def test_end_before_the_alert_is_accepted_raises_nothing(core: types.ModuleType, tls: Certificates) -> None:
    client, _ = connected_tls_ends(core, tls)
    run_before_next_record(client, client.sender.detach)
    assert not client.sender.send_close_notify()
    assert client.close_notifies_sent == 0


@pytest.mark.parametrize("later", [b"later", LARGE], ids=["short", "long"])
def test_write_that_a_signal_handler_has_stopped_before_its_flush_is_sent_by_the_next_one(
    core: types.ModuleType, tls: Certificates, later: bytes
) -> None:
    """With the pure core, a signal handler can run at the beginning of flush()."""
    client, server = connected_tls_ends(core, tls)

    def trace(frame: types.FrameType, event: str, _: object) -> None:
        if frame.f_code.co_name == "flush":
            raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            client.sender.write(LARGE)
    finally:
        sys.settrace(before)
    client.sender.write(later)
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert (server.received == LARGE + later, client.sender.pending_size()) == (True, 0)


@pytest.mark.parametrize("size", [40_000, len(LARGE)])
def test_write_of_a_signal_handler_after_the_current_write_was_queued_is_sent(
    core: types.ModuleType, tls: Certificates, size: int
) -> None:
    """With the pure core, a signal handler can run at the next call of a function."""
    client, server = connected_tls_ends(core, tls)
    called: list[str] = []

    def trace(frame: types.FrameType, event: str, _: object) -> None:
        if not called and client.sender.pending_size():
            called.append(frame.f_code.co_name)
            client.sender.write(b"other")

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        client.sender.write(LARGE[:size])
    finally:
        sys.settrace(before)
    server.receive_from(client)
    assert client.failures == server.failures == []
    assert called
    assert (server.received, client.sender.pending_size()) == (LARGE[:size] + b"other", 0)
