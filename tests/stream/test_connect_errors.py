"""L7, D1: the error of connect() names every address, why it failed and how long it took."""

import asyncio
import contextlib
import copy
import errno
import gc
import pickle
import re
import socket
import ssl
from typing import Any

import pytest

import sluiceway
from sluiceway.stream import connect_stream
from support.fake_resolver import fake_resolver
from support.manual_timers import manual_timers
from support.raw_peer import RawPeers
from support.scheduling import wait_until
from support.unreachable_addresses import refusing_address, unresponsive_address

SECONDS = r"\(\d+\.\d+ m?s\)"
TIMEOUT = 12345.0


async def failure(*arguments: Any, **options: Any) -> sluiceway.ConnectError:
    with pytest.raises(sluiceway.ConnectError) as raised:
        await sluiceway.connect(*arguments, **options)
    assert "\n" not in str(raised.value)
    # They would keep the sockets and streams of the attempts in memory.
    assert not any(error.__traceback__ or error.__context__ for error in raised.value.exceptions)
    return raised.value


async def test_refused_address_raises_connection_refused_error() -> None:
    host, port = refusing_address()
    error = await failure(f"tcp://{host}:{port}")
    assert re.fullmatch(
        rf'cannot connect to "tcp://{host}:{port}": {host}:{port}: connection refused {SECONDS}', str(error)
    )
    assert isinstance(error, ConnectionRefusedError)
    assert error.errno == errno.ECONNREFUSED
    assert error.exceptions == (error.__cause__,)
    assert [attempt.error for attempt in error.timings.attempts] == list(error.exceptions)


async def test_every_address_is_named_with_reason_and_time() -> None:
    first, second = refusing_address(), refusing_address("::1")
    with fake_resolver({"name": [first, second]}):
        error = await failure("name:1")
    assert re.fullmatch(
        rf'cannot connect to "name:1": 127.0.0.1:{first[1]}: connection refused {SECONDS}; '
        rf"\[::1\]:{second[1]}: connection refused {SECONDS}",
        str(error),
    )
    assert isinstance(error, ConnectionRefusedError)
    assert isinstance(error.__cause__, ExceptionGroup)
    assert error.__cause__.exceptions == error.exceptions
    assert len(error.exceptions) == 2


@pytest.mark.parametrize("kind", [OSError, ConnectionError, ConnectionRefusedError, sluiceway.ConnectError])
async def test_except_star_catches_error(kind: type[Exception]) -> None:
    host, port = refusing_address()
    caught = False
    try:
        await sluiceway.connect(f"{host}:{port}")
    except* kind:
        caught = True
    assert caught


async def test_different_failures_give_class_in_common() -> None:
    def configure(sock: socket.socket) -> None:
        if sock.family == socket.AF_INET:
            raise PermissionError(errno.EPERM, "not allowed here")

    with fake_resolver({"name": [refusing_address(), refusing_address("::1")]}):
        error = await failure("name:1", configure_socket=configure)
    assert type(error) is sluiceway.ConnectError
    assert error.errno is None
    assert "127.0.0.1" in str(error)
    assert "not allowed here (configure_socket)" in str(error)


@pytest.mark.parametrize("option", ["configure_socket", "resolver"])
async def test_error_without_a_text_is_named_by_its_class(option: str) -> None:
    def configure(sock: socket.socket) -> None:
        raise PermissionError

    async def resolve(host: str, port: int) -> list[str]:
        raise PermissionError

    given: Any = {"configure_socket": configure, "resolver": resolve}[option]
    error = await failure("127.0.0.1:1" if option == "configure_socket" else "name:1", **{option: given})
    what = "127.0.0.1:1" if option == "configure_socket" else 'cannot resolve "name:1"'
    assert f": {what}: PermissionError (" in str(error)


async def test_unknown_name_raises_gaierror() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for options in ({"resolver": resolver}, {}):
        error = await failure("name.invalid:80", timeout=3600, **options)
        assert isinstance(error, socket.gaierror)
        assert isinstance(error, ConnectionError)
        assert str(error).startswith('cannot connect to "name.invalid:80": cannot resolve "name.invalid:80": ')
        assert error.timings.attempts == ()
        assert error.timings.resolve is not None


async def test_resolver_without_addresses_raises_connect_error() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return []

    error = await failure("name:80", resolver=resolver)
    assert 'cannot resolve "name:80": resolver= returned no address' in str(error)


async def test_unknown_local_name_raises_connect_error() -> None:
    error = await failure("127.0.0.1:1", local="name.invalid")
    assert 'cannot resolve "name.invalid' in str(error)


async def test_local_name_without_addresses_is_named_by_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_addresses(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_addresses)
    error = await failure("127.0.0.1:1", local="here:2")
    assert """local='here:2': cannot resolve "here:2": getaddrinfo('here') returned empty list""" in str(error)


@pytest.mark.parametrize("as_descriptor", [False, True])
async def test_given_socket_that_was_closed_before_await_raises_connect_error(as_descriptor: bool) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        opening = sluiceway.connect(ours.fileno() if as_descriptor else ours)
        ours.close()
        with pytest.raises(sluiceway.ConnectError, match="bad file descriptor") as raised:
            await opening
    assert raised.value.errno == errno.EBADF


async def test_given_socket_that_refuses_keepalive_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(connect_stream, "set_keepalive", refuse)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        given = socket.create_connection(listener.getsockname())
        error = await failure(given, keepalive=(1, 1, 1))
    assert error.errno == errno.EINVAL
    assert given.fileno() == -1


async def test_missing_unix_path_raises_file_not_found_error(unix_path: str) -> None:
    error = await failure(f"unix:{unix_path}")
    assert isinstance(error, FileNotFoundError)
    assert re.fullmatch(
        rf'cannot connect to "unix:{unix_path}": no such file or directory: \'{unix_path}\' {SECONDS}', str(error)
    )


async def test_file_that_is_not_a_socket_raises_unix_path_error(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.touch()
    error = await failure(f"unix:{path}")
    assert isinstance(error, sluiceway.UnixPathError)
    assert isinstance(error, ValueError)


async def test_invalid_certificate_raises_verification_error(raw_peers: RawPeers, tls: Any) -> None:
    def serve(peer: Any) -> None:
        with contextlib.suppress(ssl.SSLError):
            peer.start_tls(tls.server_context, server_side=True)

    script = raw_peers.serve(serve)
    address = f"tls://127.0.0.1:{script.address[1]}"
    error = await failure(address, tls=tls.client_context, server_hostname="other.example")
    await script.finished()
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert error.verify_message
    assert f"TLS handshake with other.example at 127.0.0.1:{script.address[1]}" in str(error)
    assert error.timings.tls is not None
    assert [attempt.error for attempt in error.timings.attempts] == [None]


async def test_peer_that_closes_in_handshake_raises_connection_reset(raw_peers: RawPeers, tls: Any) -> None:
    script = raw_peers.serve(lambda peer: peer.sock.recv(1 << 16))
    error = await failure(f"localhost:{script.address[1]}", tls=tls.client_context)
    await script.finished()
    assert isinstance(error, ConnectionResetError)
    assert "TLS handshake with" in str(error)


async def fire_when(started: Any, *arguments: Any, **options: Any) -> sluiceway.ConnectError:
    """Let the timeout of a connect expire as soon as ``started()`` is true."""
    with manual_timers(TIMEOUT) as timers:
        connecting = asyncio.create_task(failure(*arguments, timeout=TIMEOUT, **options))
        await wait_until(started)
        # With TLS the handshake has a later timer of as many seconds.
        timers.pending[0].run()
        error = await connecting
    assert isinstance(error, TimeoutError)
    assert f'cannot connect to "{error.address}": timed out after 12345 s; ' in str(error)
    return error


async def test_timeout_covers_name_resolution() -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        await asyncio.Event().wait()
        raise AssertionError

    error = await fire_when(lambda: asked, "name:80", resolver=resolver)
    assert re.search(rf"; the name is not resolved {SECONDS}$", str(error))


async def test_timeout_covers_attempts_to_connect(cleanup: contextlib.ExitStack) -> None:
    configured: list[int] = []
    silent, refusing = unresponsive_address(cleanup), refusing_address("::1")
    with fake_resolver({"name": [refusing, silent]}):
        error = await fire_when(
            lambda: len(configured) == 2, "name:1", configure_socket=lambda sock: configured.append(sock.fileno())
        )
    assert re.search(
        rf"; \[::1\]:{refusing[1]}: connection refused {SECONDS}; "
        rf"127.0.0.1:{silent[1]}: no answer {SECONDS}$",
        str(error),
    )


async def test_timeout_covers_tls_handshake(raw_peers: RawPeers, tls: Any) -> None:
    received: list[bytes] = []

    def be_silent(peer: Any) -> None:
        received.append(peer.sock.recv(1))
        peer.wait_for("end")

    script = raw_peers.serve(be_silent)
    host, port = script.address
    error = await fire_when(lambda: received, f"localhost:{port}", tls=tls.client_context)
    script.signal("end")
    await script.finished()
    assert re.search(rf"; {host}:{port}: the TLS handshake is not complete {SECONDS}$", str(error))
    assert error.timings.tls is not None


async def test_timeout_error_of_program_is_not_reported_as_timeout_of_connect() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        raise TimeoutError("the name server is slow")

    error = await failure("name:80", resolver=resolver, timeout=3600)
    assert "the name server is slow" in str(error)
    assert "timed out after" not in str(error)


async def test_error_survives_pickle_and_copy() -> None:
    host, port = refusing_address()
    error = await failure(f"{host}:{port}")
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is type(error)
        assert (str(copied), copied.address, copied.errno) == (str(error), error.address, error.errno)
        assert copied.timings.total == error.timings.total
        assert isinstance(copied.__cause__, ConnectionRefusedError)


async def test_failed_connect_forms_no_reference_cycle() -> None:
    host, port = refusing_address()
    gc.collect()
    gc.disable()
    try:
        for address in (f"{host}:{port}", "unix:/nowhere/at/all"):
            with contextlib.suppress(sluiceway.ConnectError):
                await sluiceway.connect(address, timeout=3600)
        assert not [found for found in gc.get_objects() if isinstance(found, sluiceway.ConnectError)]
    finally:
        gc.enable()
