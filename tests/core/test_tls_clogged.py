"""What is written while the transport below takes no more: no more is encrypted than it shows to have room for."""

import ssl
import types
from collections.abc import Callable

import pytest

from support.certificates import Certificates
from support.tls_cores import End, shaken

KIB = 1024
LARGE = bytes(range(251)) * (4096 * KIB // 251)
ROOM = 64 * KIB
AHEAD = 300 * KIB  # what is encrypted before a look at the transport, and what encryption adds


def clogged(core: types.ModuleType, tls: Certificates) -> tuple[End, End]:
    client, server = shaken(core, tls)
    client.room = ROOM
    client.sender.write(LARGE)
    assert client.sender.lower_paused
    return client, server


def drained(client: End, server: End) -> None:
    """Take turns until nothing waits any more; the transport never has more than it asked for."""
    while client.sent:
        assert len(client.sent) <= ROOM + AHEAD
        server.receive_from(client)
        client.resume()


def test_no_more_is_encrypted_than_there_is_room_for(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    assert len(client.sent) <= ROOM + AHEAD
    assert client.sender.pending_size() + len(client.sent) >= len(LARGE)
    drained(client, server)
    assert client.sender.pending_size() == 0
    assert server.received == LARGE


def test_what_is_written_meanwhile_comes_behind_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    before = client.sender.pending_size()
    client.sender.write(b"small")
    client.sender.write(LARGE)
    assert client.sender.pending_size() == before + 5 + len(LARGE)
    drained(client, server)
    assert server.received == LARGE + b"small" + LARGE


def test_what_is_written_by_who_is_told_to_pause_comes_behind_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = shaken(core, tls)
    client.room = ROOM
    words = [b"one ", b"two ", b"three"]
    client.when_paused = lambda: client.sender.write(words.pop(0)) if words else None
    client.sender.write(LARGE)
    drained(client, server)
    assert server.received == LARGE + b"one two three"


def test_what_arrives_meanwhile_makes_no_room(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    before = client.sender.pending_size()
    server.sender.write(b"news")
    client.receive_from(server)
    assert client.received == b"news"
    assert client.sender.pending_size() == before
    drained(client, server)
    assert server.received == LARGE


def test_the_goodbye_is_behind_all_of_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    assert client.sender.send_close_notify()
    assert (client.sender.pending_size(), client.close_notifies_sent) == (0, 1)
    server.receive_from(client)
    assert (server.received == LARGE, server.close_notifies_received) == (True, 1)


def test_a_goodbye_by_who_is_told_to_pause_is_behind_all_of_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = shaken(core, tls)
    client.room = ROOM
    client.when_paused = client.sender.send_close_notify
    client.sender.write(LARGE)
    assert (client.sender.pending_size(), client.close_notifies_sent) == (0, 1)
    server.receive_from(client)
    assert (server.received == LARGE, server.close_notifies_received) == (True, 1)


def nth(number: int, call: Callable[[], object]) -> Callable[[], object]:
    """``call`` in the call of that number, from 1 on; nothing in the others."""
    calls = iter(range(1, 1000))
    return lambda: call() if next(calls) == number else None


def test_nothing_is_encrypted_for_a_transport_that_is_gone(core: types.ModuleType, tls: Certificates) -> None:
    client, _ = clogged(core, tls)
    before, client.sent = client.sender.pending_size(), b""
    client.closed = True
    client.resume()
    assert not client.sender.send_close_notify()
    assert (client.sent, client.sender.pending_size()) == (b"", before)


@pytest.mark.parametrize("number", [1, 3])
def test_the_collector_closes_in_the_middle(core: types.ModuleType, tls: Certificates, number: int) -> None:
    client, server = shaken(core, tls)
    client.sslobject.after_write = nth(number, client.sender.send_close_notify)
    client.sender.write(LARGE)
    assert (client.sender.pending_size(), client.close_notifies_sent) == (0, 1)
    server.receive_from(client)
    assert (server.received == LARGE, server.close_notifies_received, server.failures) == (True, 1, [])


@pytest.mark.parametrize(("size", "number"), [(10, 1), (len(LARGE), 1), (len(LARGE), 3)])
def test_an_interrupt_ends_the_connection(core: types.ModuleType, tls: Certificates, size: int, number: int) -> None:
    """OpenSSL has made the record; nobody knows whether it was sent."""
    client, _ = shaken(core, tls)

    def interrupt() -> None:
        raise KeyboardInterrupt

    client.sslobject.after_write = nth(number, interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.sender.write(LARGE[:size])
    assert [type(error) for error in client.failures] == [ConnectionAbortedError]
    assert client.sender.pending_size() == 0


def test_an_error_of_openssl_ends_what_waits(core: types.ModuleType, tls: Certificates) -> None:
    client, _ = clogged(core, tls)

    def fail() -> None:
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, "no more")

    client.sslobject.after_write = fail
    client.resume()
    (error,) = client.failures
    assert "no more" in str(error)
    assert client.sender.pending_size() == 0
