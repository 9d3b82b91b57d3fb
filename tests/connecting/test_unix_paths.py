"""S3: a Unix path is str, bytes, PathLike of either, or an abstract name of either."""

import contextlib
import errno
import os
import pathlib
import socket
import stat
import sys
import types
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates


class BytesPath:
    """A PathLike whose path is bytes."""

    def __init__(self, path: str) -> None:
        self._path = os.fsencode(path)

    def __fspath__(self) -> bytes:
        return self._path


class StringPath(BytesPath):
    """A PathLike of str other than pathlib.Path."""

    def __fspath__(self) -> str:  # type: ignore[override]
        return os.fsdecode(self._path)


KINDS = {
    "str": str,
    "bytes": os.fsencode,
    "pathlib": pathlib.Path,
    "PathLike of bytes": BytesPath,
    "PathLike of str": StringPath,
}
ABSTRACT = {"abstract str": lambda name: "\0" + name, "abstract bytes": lambda name: b"\0" + name.encode()}


async def echo_once(streams: Any, listen_on: Any, connect_to: Any) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    server = await streams.start_unix_server(handle, listen_on)
    reader, writer = await streams.open_unix_connection(connect_to)
    writer.write(b"through it\n")
    assert await reader.read() == b"through it\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("kind", KINDS)
async def test_path_of_each_type_connects(streams: types.ModuleType, kind: str, unix_path: str) -> None:
    await echo_once(streams, KINDS[kind](unix_path), unix_path)
    if os.path.exists(unix_path):  # Python before 3.13
        os.unlink(unix_path)
    await echo_once(streams, unix_path, KINDS[kind](unix_path))


@pytest.mark.parametrize("kind", ABSTRACT)
@pytest.mark.reference_fails("S3", "uvloop takes no abstract name in bytes", when=lambda loop: loop == "uvloop")
async def test_abstract_name_of_each_type_connects_without_file(
    streams: types.ModuleType, kind: str, unix_path: str
) -> None:
    name = ABSTRACT[kind](unix_path)
    await echo_once(streams, name, name)
    await echo_once(streams, "\0" + unix_path, b"\0" + os.fsencode(unix_path))
    assert not os.path.exists(unix_path)


@pytest.mark.parametrize("kind", ABSTRACT)
async def test_message_names_an_abstract_name_with_an_at_sign(kind: str, unix_path: str, tls: Certificates) -> None:
    name = ABSTRACT[kind](unix_path)
    async with await sluiceway.start_unix_server(lambda reader, writer: writer.close(), name):
        with pytest.raises(OSError, match=f"at @{unix_path}"):
            await sluiceway.open_unix_connection(name, ssl=tls.client_context, server_hostname="localhost")


async def test_path_that_is_not_utf_8_connects(unix_path: str) -> None:
    path = os.fsencode(unix_path) + b"\xff\xfe"
    await echo_once(sluiceway, path, os.fsdecode(path))
    await echo_once(sluiceway, os.fsdecode(path), path)


@pytest.mark.parametrize("path_argument", [17, 1.5, ["/tmp/x"]])
async def test_path_of_wrong_type_raises_type_error(path_argument: Any) -> None:
    with pytest.raises(TypeError, match=type(path_argument).__name__):
        await sluiceway.open_unix_connection(path_argument)
    with pytest.raises(TypeError, match=type(path_argument).__name__):
        await sluiceway.start_unix_server(lambda r, w: None, path_argument)


@pytest.mark.parametrize("kind", KINDS)
async def test_overlong_path_raises_unix_path_error_with_limit(kind: str, unix_path: str) -> None:
    path = KINDS[kind](unix_path + 200 * "x")
    for attempt in (sluiceway.open_unix_connection(path), sluiceway.start_unix_server(lambda r, w: None, path)):
        with pytest.raises(
            sluiceway.UnixPathError, match=rf"path of {len(unix_path) + 200} bytes is too long"
        ) as raised:
            await attempt
        assert raised.value.errno == errno.ENAMETOOLONG
        assert isinstance(raised.value, OSError)
        assert isinstance(raised.value, ValueError)


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux only")
@pytest.mark.parametrize("kind", ABSTRACT)
async def test_overlong_abstract_name_raises_unix_path_error_with_limit(kind: str, unix_path: str) -> None:
    await echo_once(sluiceway, *2 * [ABSTRACT[kind](unix_path.ljust(107, "x"))])
    path = ABSTRACT[kind](unix_path.ljust(108, "x"))
    for attempt in (sluiceway.open_unix_connection(path), sluiceway.start_unix_server(lambda r, w: None, path)):
        with pytest.raises(
            sluiceway.UnixPathError, match=r"path of 109 bytes is too long.*108 for an abstract name"
        ) as raised:
            await attempt
        assert raised.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize("path", ["", b""])
async def test_empty_path_of_server_raises_value_error(path: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"^path argument must not be empty$"):
        await sluiceway.start_unix_server(lambda r, w: None, path)


async def test_path_of_maximum_length_connects(unix_path: str) -> None:
    path = unix_path + (107 - len(unix_path)) * "x"
    await echo_once(sluiceway, path, path)


@pytest.mark.parametrize("what", ["file", "directory"])
async def test_path_of_file_or_directory_raises_unix_path_error(what: str, unix_path: str) -> None:
    path = pathlib.Path(unix_path)
    if what == "file":
        path.write_bytes(b"precious")
    else:
        path.mkdir()
    with pytest.raises(sluiceway.UnixPathError, match="exists and is not a Unix socket") as raised:
        await sluiceway.open_unix_connection(path)
    assert raised.value.errno == errno.ENOTSOCK
    with pytest.raises(sluiceway.UnixPathError, match="exists and is not a Unix socket") as raised:
        await sluiceway.start_unix_server(lambda r, w: None, path)
    assert raised.value.errno == errno.EADDRINUSE
    if what == "file":
        assert path.read_bytes() == b"precious"


async def test_missing_path_raises_file_not_found_error(unix_path: str) -> None:
    with pytest.raises(FileNotFoundError, match=unix_path):
        await sluiceway.open_unix_connection(unix_path)


async def test_path_without_listener_raises_connection_refused_error(unix_path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(unix_path)
    with pytest.raises(ConnectionRefusedError, match=unix_path):
        await sluiceway.open_unix_connection(unix_path)
    with pytest.raises(ConnectionRefusedError, match="nobody"):
        await sluiceway.open_unix_connection("\0sluiceway-nobody-at-all")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel refuses the connection")
async def test_full_backlog_raises_blocking_io_error_with_path(unix_path: str) -> None:
    """The loops return a socket that is not connected."""
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as clients:
        listener.bind(unix_path)
        listener.listen(0)
        with pytest.raises(BlockingIOError):
            while True:
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(unix_path)
        with pytest.raises(BlockingIOError, match=f"backlog of connections is full: '{unix_path}'; try again later"):
            await sluiceway.open_unix_connection(unix_path)
        with pytest.raises(sluiceway.ConnectError, match="backlog of connections is full") as raised:
            await sluiceway.connect(f"unix:{unix_path}")
        assert isinstance(raised.value, BlockingIOError)


async def test_stale_socket_file_is_replaced(unix_path: str) -> None:
    """L2: the socket file of a server that has ended is replaced."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(unix_path)
    await echo_once(sluiceway, unix_path, unix_path)


async def test_missing_directory_raises_file_not_found_error(unix_path: str) -> None:
    path = os.path.join(unix_path, "deeper")
    with pytest.raises(FileNotFoundError, match=f": '{path}'$"):
        await sluiceway.start_unix_server(lambda r, w: None, path)


async def test_path_that_may_not_be_bound_raises_permission_error_with_path(
    unix_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the kernel has no path; as root no folder refuses, so the socket does."""

    class RefusedSocket(socket.socket):
        def bind(self, address: Any) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", RefusedSocket)
    with pytest.raises(PermissionError, match=rf"^\[Errno {errno.EACCES}\] Permission denied: '{unix_path}'$"):
        await sluiceway.start_unix_server(lambda r, w: None, unix_path)


async def test_abstract_name_in_use_raises_error_with_name(unix_path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("\0" + unix_path)
        with pytest.raises(OSError, match=f"{unix_path}.*already in use") as raised:
            await sluiceway.start_unix_server(lambda r, w: None, "\0" + unix_path)
        assert raised.value.errno == errno.EADDRINUSE


async def test_server_close_removes_socket_file(unix_path: str) -> None:
    server = await sluiceway.start_unix_server(lambda r, w: None, unix_path)
    assert stat.S_ISSOCK(os.stat(unix_path).st_mode)
    server.close()
    assert not os.path.exists(unix_path)
    await server.wait_closed()


async def test_server_close_removes_file_of_socket_given_as_sock(unix_path: str) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(unix_path)
    server = await sluiceway.start_unix_server(lambda r, w: None, sock=sock)
    server.close()
    assert not os.path.exists(unix_path)
    await server.wait_closed()


async def test_server_close_removes_file_of_relative_path_after_chdir(
    tmp_path: pathlib.Path, unix_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pathlib.Path(unix_path)
    monkeypatch.chdir(path.parent)
    server = await sluiceway.start_unix_server(lambda r, w: None, path.name)
    monkeypatch.chdir(tmp_path)
    server.close()
    assert not path.exists()
    await server.wait_closed()


async def test_server_close_removes_the_socket_and_no_other_file_if_a_path_leaves_a_symbolic_link(
    tmp_path: pathlib.Path, unix_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel applies ".." to the directory that the link names, os.path.abspath() to that of the link."""
    path = pathlib.Path(unix_path)
    other = tmp_path / path.name
    other.write_text("a file of the program")
    inside = pathlib.Path(f"{unix_path}-directory")
    inside.mkdir()
    (tmp_path / "link").symlink_to(inside)
    monkeypatch.chdir(tmp_path)
    server = await sluiceway.start_unix_server(lambda r, w: None, f"link/../{path.name}")
    assert path.is_socket()
    server.close()
    assert not path.exists()
    assert other.exists()
    await server.wait_closed()


async def test_server_close_keeps_file_with_its_inode_on_another_device(
    unix_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2: a file system may have been mounted over the directory."""
    server = await sluiceway.start_unix_server(lambda r, w: None, unix_path)
    found = os.stat
    other = types.SimpleNamespace(st_ino=found(unix_path).st_ino, st_dev=found(unix_path).st_dev + 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda path, **options: other if path == unix_path else found(path, **options))
        server.close()
    assert os.path.exists(unix_path)
    await server.wait_closed()


async def test_cleanup_socket_false_keeps_socket_file(unix_path: str) -> None:
    server = await sluiceway.start_unix_server(lambda r, w: None, unix_path, cleanup_socket=False)
    server.close()
    assert stat.S_ISSOCK(os.stat(unix_path).st_mode)
    await server.wait_closed()


@pytest.mark.parametrize("successor", ["server", "file"])
async def test_server_close_keeps_file_that_replaced_its_socket(successor: str, unix_path: str) -> None:
    """L2: only the server's own socket file is removed."""
    first = await sluiceway.start_unix_server(lambda r, w: None, unix_path)
    if successor == "file":
        os.unlink(unix_path)
        pathlib.Path(unix_path).write_bytes(b"")
        first.close()
        assert os.path.isfile(unix_path)
    else:
        second = await sluiceway.start_unix_server(lambda r, w: w.close(), unix_path)
        first.close()
        reader, writer = await sluiceway.open_unix_connection(unix_path)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        second.close()
        await second.wait_closed()
        assert not os.path.exists(unix_path)
    await first.wait_closed()


async def test_server_close_ignores_missing_socket_file(unix_path: str) -> None:
    server = await sluiceway.start_unix_server(lambda r, w: None, unix_path)
    os.unlink(unix_path)
    server.close()
    await server.wait_closed()
