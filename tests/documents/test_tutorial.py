"""The servers of the tutorial do what its pages say, for clients that are raw sockets.

test_examples.py runs each program of the tutorial as it stands. ``serving`` checks that no server logs an error.
"""

import concurrent.futures
import contextlib
import pathlib
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest

from documents.page_examples import PATIENCE, block_of, connected, prepared, read_to_the_end, serving

PLAIN = ["chat_server.py", "chat_server_with_limit.py"]
WITH_TLS = "chat_server_with_tls.py"
# Those that have a policy for long lines.
LIMITED = ["chat_server_with_limit.py", WITH_TLS]


@contextlib.contextmanager
def running_server(
    name: str, folder: pathlib.Path, changes: "dict[str, str] | None" = None
) -> Iterator[Callable[[], socket.socket]]:
    """Run a server of the tutorial, with ``changes`` of its text, and yield what connects a client to it."""
    with prepared(block_of(name), folder) as text:
        for old, new in (changes or {}).items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        with serving(folder / name, text) as port:
            yield lambda: connect(name, folder, port)


def connect(name: str, folder: pathlib.Path, port: str) -> socket.socket:
    """Connect; over TLS a truncated stream raises an error."""
    client = connected(port)
    if name != WITH_TLS:
        return client
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    return context.wrap_socket(client, server_hostname="localhost", suppress_ragged_eofs=False)


def read_exactly(client: socket.socket, expected: bytes) -> None:
    """Read as many bytes as ``expected`` has, and compare them."""
    received = bytearray()
    while len(received) < len(expected) and (data := client.recv(len(expected) - len(received))):
        received += data
    assert received == expected


def joined(client: socket.socket, name: bytes) -> socket.socket:
    """Send the name, and read the message that the client has joined."""
    client.sendall(name + b"\n")
    read_exactly(client, b"* %s joined\n" % name)
    return client


def test_lines_of_echo_server_come_back(tmp_path: pathlib.Path) -> None:
    with running_server("echo_server.py", tmp_path) as connect_client, connect_client() as client:
        client.sendall(b"one\ntwo\nthe end")
        client.shutdown(socket.SHUT_WR)
        read_exactly(client, b"one\ntwo\nthe end")


@pytest.mark.parametrize("name", [*PLAIN, WITH_TLS])
def test_last_line_without_newline_reaches_other_users(name: str, tmp_path: pathlib.Path) -> None:
    with running_server(name, tmp_path) as connect_client:
        with connect_client() as ann, connect_client() as bob:
            joined(ann, b"ann")
            bob.sendall(b"bob\nthe end")
            bob.shutdown(socket.SHUT_WR)
            read_exactly(ann, b"* bob joined\nbob: the end\n* bob left\n")


@pytest.mark.parametrize("name", [*PLAIN, WITH_TLS])
def test_client_that_does_not_read_is_disconnected_and_delays_nobody(name: str, tmp_path: pathlib.Path) -> None:
    with running_server(name, tmp_path) as connect_client:
        with connect_client() as ann, connect_client() as idle:
            joined(ann, b"ann")
            # So the kernel holds less for this client, and the server notices sooner.
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.sendall(b"idle\n")
            with ann.makefile("rb") as messages:
                while (line := messages.readline()) != b"* idle left\n":
                    assert line
                    ann.sendall(b"x" * 900 + b"\n")


@pytest.mark.parametrize("name", [*PLAIN, WITH_TLS])
def test_more_lines_at_once_than_a_queue_holds_reach_all_users(name: str, tmp_path: pathlib.Path) -> None:
    with running_server(name, tmp_path) as client, client() as ann, client() as bob:
        joined(ann, b"ann")
        joined(bob, b"bob")
        read_exactly(ann, b"* bob joined\n")
        ann.sendall(b"x\n" * 500)  # fewer bytes than one receive call returns
        for user in (ann, bob):
            read_exactly(user, b"ann: x\n" * 500)


@pytest.mark.parametrize("name", LIMITED)
def test_line_that_is_too_long_is_answered_and_the_next_one_sent(name: str, tmp_path: pathlib.Path) -> None:
    with running_server(name, tmp_path) as connect_client:
        with connect_client() as ann, connect_client() as bob:
            joined(ann, b"ann")
            joined(bob, b"bob")
            read_exactly(ann, b"* bob joined\n")
            ann.sendall(b"x" * 1001)
            # Before the end of the line.
            read_exactly(ann, b"* not sent: longer than 1000 bytes\n")
            ann.sendall(b"x" * 200_000 + b"\n" + b"y" * 1000 + b"\n")
            for user in (ann, bob):
                read_exactly(user, b"ann: " + b"y" * 1000 + b"\n")


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("sent", [b"\n", b"x" * 5_000_000 + b"\n"], ids=["empty", "too_long"])
def test_name_that_is_not_accepted_is_answered_without_a_reset(name: str, sent: bytes, tmp_path: pathlib.Path) -> None:
    with running_server(name, tmp_path) as connect_client:
        with connect_client() as client:
            client.sendall(sent)
            assert read_to_the_end(client) == b"* the first line is your name, of at most 1000 bytes\n"


def test_idle_client_gets_a_message_and_a_clean_end(tmp_path: pathlib.Path) -> None:
    changes = {"IDLE_SECONDS = 600": "IDLE_SECONDS = 0.1", "2 * IDLE_SECONDS": "600"}
    with running_server(WITH_TLS, tmp_path, changes) as connect_client:
        assert read_to_the_end(connect_client()) == b""
        received = b""
        # On a busy machine, the name may arrive too late.
        while not received:
            ann = connect_client()
            ann.sendall(b"ann\n")
            received = read_to_the_end(ann)
    assert received == b"* ann joined\n* closed: idle\n"


def test_clients_get_all_messages_and_a_clean_end_at_sigterm(tmp_path: pathlib.Path) -> None:
    """So does one that reads late, although more clients leave meanwhile than its queue has places."""
    line = b"x" * 10_000_000
    changes = {
        "WAITING_MESSAGES = 100": "WAITING_MESSAGES = 2",
        "LONGEST_LINE = 1000": f"LONGEST_LINE = {len(line)}",
        "SECONDS_TO_STOP = 10": f"SECONDS_TO_STOP = {PATIENCE}",
    }
    stopping = b"* the server stops\n"
    users: list[socket.socket] = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with running_server(WITH_TLS, tmp_path, changes) as connect_client:
            for number in range(4):
                users.append(joined(connect_client(), b"%d" % number))
                for user in users[:-1]:
                    read_exactly(user, b"* %d joined\n" % number)
            *others, late = users
            late.sendall(line + b"\n")
            for user in others:
                read_exactly(user, b"3: %s\n" % line)
            rest = [pool.submit(read_to_the_end, user) for user in others]
            last = pool.submit(lambda: ([each.result() for each in rest], read_to_the_end(late)))
        assert last.result() == ([stopping] * 3, b"3: %s\n" % line + stopping)


def test_sigterm_disconnects_clients_that_delay_the_stop(tmp_path: pathlib.Path) -> None:
    """``serving`` waits for the end of the server, and checks its exit status."""
    with contextlib.ExitStack() as stack:
        changes = {"SECONDS_TO_STOP = 10": "SECONDS_TO_STOP = 0.1"}
        with running_server(WITH_TLS, tmp_path, changes) as connect_client:
            # One never answers close_notify, and one has sent no name.
            answers_nothing, nameless = (stack.enter_context(connect_client()) for _ in range(2))
            joined(answers_nothing, b"ann")
        with pytest.raises(OSError):
            read_to_the_end(nameless)
