"""What is written while the transport below takes no more: no more is encrypted than it shows to have room for."""

import types

from support.certificates import Certificates
from support.tls_cores import End, shaken

KIB = 1024
LARGE = bytes(range(251)) * (4096 * KIB // 251)
ROOM = 64 * KIB
AHEAD = 300 * KIB  # what is encrypted before a look at the transport, and what encryption adds


def clogged(core: types.ModuleType, tls: Certificates) -> tuple[End, End]:
    client, server = shaken(core, tls)
    client.room = ROOM
    client.tls.write(LARGE)
    assert client.tls.clogged
    return client, server


def drained(client: End, server: End) -> None:
    """Take turns until nothing waits any more; the transport never has more than it asked for."""
    while client.sent:
        assert len(client.sent) <= ROOM + AHEAD
        server.take_from(client)
        client.has_room()


def test_no_more_is_encrypted_than_there_is_room_for(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    assert len(client.sent) <= ROOM + AHEAD
    assert client.tls.held_up() + len(client.sent) >= len(LARGE)
    drained(client, server)
    assert client.tls.held_up() == 0
    assert server.received == LARGE


def test_what_is_written_meanwhile_comes_behind_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    before = client.tls.held_up()
    client.tls.write(b"small")
    client.tls.write(LARGE)
    assert client.tls.held_up() == before + 5 + len(LARGE)
    drained(client, server)
    assert server.received == LARGE + b"small" + LARGE


def test_what_is_written_by_who_is_told_to_pause_comes_behind_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = shaken(core, tls)
    client.room = ROOM
    words = [b"one ", b"two ", b"three"]
    client.when_clogged = lambda: client.tls.write(words.pop(0)) if words else None
    client.tls.write(LARGE)
    drained(client, server)
    assert server.received == LARGE + b"one two three"


def test_what_arrives_meanwhile_makes_no_room(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    before = client.tls.held_up()
    server.tls.write(b"news")
    client.take_from(server)
    assert client.received == b"news"
    assert client.tls.held_up() == before
    drained(client, server)
    assert server.received == LARGE


def test_the_goodbye_is_behind_all_of_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = clogged(core, tls)
    assert client.tls.say_goodbye()
    assert (client.tls.held_up(), client.goodbyes) == (0, 1)
    server.take_from(client)
    assert (server.received == LARGE, server.farewells) == (True, 1)


def test_a_goodbye_by_who_is_told_to_pause_is_behind_all_of_it(core: types.ModuleType, tls: Certificates) -> None:
    client, server = shaken(core, tls)
    client.room = ROOM
    client.when_clogged = client.tls.say_goodbye
    client.tls.write(LARGE)
    assert (client.tls.held_up(), client.goodbyes) == (0, 1)
    server.take_from(client)
    assert (server.received == LARGE, server.farewells) == (True, 1)
