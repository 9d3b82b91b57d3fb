"""TLSSender: while the lower transport is paused, plaintext waits and only a bounded amount is encrypted."""

import ssl
import types
from collections.abc import Callable

import pytest

from core.tls_cores import TLSEnd, connected_tls_ends
from support.certificates import Certificates

KIB = 1024
LARGE = bytes(range(251)) * (4096 * KIB // 251)
ROOM = 64 * KIB
AHEAD = 300 * KIB  # encrypted between two checks of the transport, including the overhead of TLS


def paused_pair(core: types.ModuleType, tls: Certificates) -> tuple[TLSEnd, TLSEnd]:
    client, server = connected_tls_ends(core, tls)
    client.room = ROOM
    client.sender.write(LARGE)
    assert client.sender.lower_paused
    return client, server


def exchange_until_empty(client: TLSEnd, server: TLSEnd) -> None:
    """Receive and resume in turn until nothing is pending; the transport never gets more than its room."""
    while client.sent:
        assert len(client.sent) <= ROOM + AHEAD
        server.receive_from(client)
        client.resume()


def test_encrypted_size_is_bounded_while_the_transport_is_paused(core: types.ModuleType, tls: Certificates) -> None:
    client, server = paused_pair(core, tls)
    assert len(client.sent) <= ROOM + AHEAD
    assert client.sender.pending_size() + len(client.sent) >= len(LARGE)
    exchange_until_empty(client, server)
    assert client.sender.pending_size() == 0
    assert server.received == LARGE


def test_data_written_while_paused_is_sent_in_order(core: types.ModuleType, tls: Certificates) -> None:
    client, server = paused_pair(core, tls)
    before = client.sender.pending_size()
    client.sender.write(b"small")
    client.sender.write(LARGE)
    assert client.sender.pending_size() == before + 5 + len(LARGE)
    exchange_until_empty(client, server)
    assert server.received == LARGE + b"small" + LARGE


def test_data_written_in_pause_writing_is_sent_after_the_current_write(
    core: types.ModuleType, tls: Certificates
) -> None:
    client, server = connected_tls_ends(core, tls)
    client.room = ROOM
    words = [b"one ", b"two ", b"three"]
    client.when_paused = lambda: client.sender.write(words.pop(0)) if words else None
    client.sender.write(LARGE)
    exchange_until_empty(client, server)
    assert server.received == LARGE + b"one two three"


def test_pause_writing_that_waits_for_room_lets_all_data_be_sent(core: types.ModuleType, tls: Certificates) -> None:
    """As a callback does that runs the loop nested until writing resumes."""
    client, server = connected_tls_ends(core, tls)
    client.room = ROOM
    pending: list[int] = []

    def wait_for_room() -> None:
        exchange_until_empty(client, server)
        pending.append(client.sender.pending_size())

    client.when_paused = nth(1, wait_for_room)
    client.sender.write(LARGE)
    assert pending == [0]
    assert server.received == LARGE


def test_received_data_does_not_flush_pending_data_while_paused(core: types.ModuleType, tls: Certificates) -> None:
    client, server = paused_pair(core, tls)
    before = client.sender.pending_size()
    server.sender.write(b"news")
    client.receive_from(server)
    assert client.received == b"news"
    assert client.sender.pending_size() == before
    exchange_until_empty(client, server)
    assert server.received == LARGE


def test_close_notify_while_paused_is_sent_after_pending_data(core: types.ModuleType, tls: Certificates) -> None:
    client, server = paused_pair(core, tls)
    assert client.sender.send_close_notify()
    assert (client.sender.pending_size(), client.close_notifies_sent) == (0, 1)
    server.receive_from(client)
    assert (server.received == LARGE, server.close_notifies_received) == (True, 1)


def test_close_notify_in_pause_writing_is_sent_after_the_current_write(
    core: types.ModuleType, tls: Certificates
) -> None:
    client, server = connected_tls_ends(core, tls)
    client.room = ROOM
    client.when_paused = client.sender.send_close_notify
    client.sender.write(LARGE)
    assert (client.sender.pending_size(), client.close_notifies_sent) == (0, 1)
    server.receive_from(client)
    assert (server.received == LARGE, server.close_notifies_received) == (True, 1)


def nth(number: int, call: Callable[[], object]) -> Callable[[], object]:
    """Return a function that calls ``call`` in its call number ``number`` (from 1) and does nothing in others."""
    calls = iter(range(1, 1000))
    return lambda: call() if next(calls) == number else None


def test_resume_of_a_closed_transport_encrypts_nothing(core: types.ModuleType, tls: Certificates) -> None:
    client, _ = paused_pair(core, tls)
    before, client.sent = client.sender.pending_size(), b""
    client.closed = True
    client.resume()
    assert not client.sender.send_close_notify()
    assert (client.sent, client.sender.pending_size()) == (b"", before)


def test_write_to_an_ended_transport_of_uvloop_raises_nothing(core: types.ModuleType, tls: Certificates) -> None:
    """Its end is reported after the coroutine that waits for the handshake, which may write or close meanwhile."""
    client, _ = connected_tls_ends(core, tls)

    def write(data: bytes) -> None:
        raise RuntimeError("unable to perform operation on <UnixTransport closed=True>; the handler is closed")

    client.write = write
    with pytest.raises(RuntimeError):
        client.sender.write(b"data")
    assert [type(error) for error in client.failures] == [ConnectionAbortedError]
    client.failures.clear()
    client.closed = True
    client.sender.write(b"data")
    client.sender.send_close_notify()
    assert client.failures == []


@pytest.mark.parametrize("number", [1, 3])
def test_close_notify_during_a_write_is_sent_after_the_whole_write(
    core: types.ModuleType, tls: Certificates, number: int
) -> None:
    client, server = connected_tls_ends(core, tls)
    client.sslobject.after_write = nth(number, client.sender.send_close_notify)
    client.sender.write(LARGE)
    assert (client.sender.pending_size(), client.close_notifies_sent) == (0, 1)
    server.receive_from(client)
    assert (server.received == LARGE, server.close_notifies_received, server.failures) == (True, 1, [])


def test_close_notify_during_a_short_write_is_sent_after_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = connected_tls_ends(core, tls)
    client.sslobject.after_write = nth(1, client.sender.send_close_notify)
    client.sender.write(b"short")
    assert client.close_notifies_sent == 1
    server.receive_from(client)
    assert (server.received, server.close_notifies_received, server.failures) == (b"short", 1, [])


def test_write_during_a_short_write_is_sent_after_it(core: types.ModuleType, tls: Certificates) -> None:
    """A finalizer may write in the encryption."""
    client, server = connected_tls_ends(core, tls)
    client.sslobject.after_write = nth(1, lambda: client.sender.write(b"later"))
    client.sender.write(b"short")
    assert client.sender.pending_size() == 0
    server.receive_from(client)
    assert server.received == b"shortlater"


@pytest.mark.parametrize(("size", "number"), [(10, 1), (len(LARGE), 1), (len(LARGE), 3)])
def test_interrupt_during_encryption_aborts_the_connection(
    core: types.ModuleType, tls: Certificates, size: int, number: int
) -> None:
    """OpenSSL has made the record, but whether it was sent is unknown."""
    client, _ = connected_tls_ends(core, tls)

    def interrupt() -> None:
        raise KeyboardInterrupt

    client.sslobject.after_write = nth(number, interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.sender.write(LARGE[:size])
    assert [type(error) for error in client.failures] == [ConnectionAbortedError]
    assert client.sender.pending_size() == 0


def test_openssl_error_during_flush_discards_pending_data(core: types.ModuleType, tls: Certificates) -> None:
    client, _ = paused_pair(core, tls)

    def fail() -> None:
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, "no more")

    client.sslobject.after_write = fail
    client.resume()
    (error,) = client.failures
    assert "no more" in str(error)
    assert client.sender.pending_size() == 0


class Answers:
    """An outgoing BIO: ``pending`` bytes of OpenSSL's own output, whose number the test sets."""

    pending = 0

    def read(self) -> bytes:
        size, self.pending = self.pending, 0
        return bytes(size)


class AnsweringEnd(TLSEnd):
    """A client whose OpenSSL answers to messages of the peer, as to key updates."""

    def __init__(self, core: types.ModuleType, tls: Certificates, *, handshake_complete: bool = True) -> None:
        super().__init__(core, tls.client_context, server_hostname="localhost")
        self.answers = Answers()
        self.sender = core.TLSSender(self.sslobject, self.answers, self)
        self.receiver = core.TLSReceiver(self.sslobject, self.incoming, self.sender, self)
        self.sender.set_lower(self)
        self.sender.handshake_complete = handshake_complete

    def answer(self, size: int) -> int:
        """Send ``size`` bytes of answers. Return how many calls of answers_blocked() have been made."""
        self.answers.pending = size
        self.sender.output_pending = True
        self.receiver.feed(b"")
        return self.answers_blocked_calls


def test_answers_are_blocked_when_more_than_64_kib_follow_pause(core: types.ModuleType, tls: Certificates) -> None:
    """T6: answers from before the pause, or from an earlier one, do not count."""
    client = AnsweringEnd(core, tls)
    assert client.answer(100 * KIB) == 0
    client.sender.lower_paused = True
    assert client.answer(60 * KIB) == 0
    client.sender.lower_paused = False
    assert client.answer(1) == 0
    client.sender.lower_paused = True
    assert client.answer(64 * KIB) == 0
    assert client.answer(1) == 1


def test_messages_of_handshake_do_not_count_as_blocked_answers(core: types.ModuleType, tls: Certificates) -> None:
    """Nothing could be received before the handshake ends, and it ends only with what is received."""
    client = AnsweringEnd(core, tls, handshake_complete=False)
    client.sender.lower_paused = True
    assert client.answer(100 * KIB) == 0
    assert len(client.sent) == 100 * KIB


def test_answer_whose_sending_ends_connection_is_not_reported(core: types.ModuleType, tls: Certificates) -> None:
    client = AnsweringEnd(core, tls)
    client.room = 0
    client.when_paused = client.sender.detach
    assert client.answer(100 * KIB) == 0
