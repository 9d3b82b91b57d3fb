"""S3: a Unix path is str, bytes, PathLike of either, or an abstract name of either."""

import errno
import os
import pathlib
import socket
import stat
import types
from typing import Any

import pytest

import sluiceway


class BytesPath:
    """A PathLike whose path is bytes."""

    def __init__(self, path: str) -> None:
        self._path = os.fsencode(path)

    def __fspath__(self) -> bytes:
        return self._path


class StringPath(BytesPath):
    """A PathLike that is no pathlib.Path."""

    def __fspath__(self) -> str:  # type: ignore[override]
        return os.fsdecode(self._path)


KINDS = {"str": str, "bytes": os.fsencode, "pathlib": pathlib.Path, "bytes-like": BytesPath, "str-like": StringPath}
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
async def test_path(streams: types.ModuleType, kind: str, unix_path: str) -> None:
    await echo_once(streams, KINDS[kind](unix_path), unix_path)
    if os.path.exists(unix_path):  # Python before 3.13
        os.unlink(unix_path)
    await echo_once(streams, unix_path, KINDS[kind](unix_path))


@pytest.mark.parametrize("kind", ABSTRACT)
@pytest.mark.reference_fails("S3", "uvloop takes no abstract name in bytes", when=lambda loop: loop == "uvloop")
async def test_abstract_name(streams: types.ModuleType, kind: str, unix_path: str) -> None:
    name = ABSTRACT[kind](unix_path)
    await echo_once(streams, name, name)
    await echo_once(streams, "\0" + unix_path, b"\0" + os.fsencode(unix_path))
    assert not os.path.exists(unix_path)


async def test_a_name_that_is_no_utf_8(unix_path: str) -> None:
    path = os.fsencode(unix_path) + b"\xff\xfe"
    await echo_once(sluiceway, path, os.fsdecode(path))
    await echo_once(sluiceway, os.fsdecode(path), path)


@pytest.mark.parametrize("given", [17, 1.5, ["/tmp/x"]])
async def test_what_is_no_path(given: Any) -> None:
    with pytest.raises(TypeError, match=type(given).__name__):
        await sluiceway.open_unix_connection(given)
    with pytest.raises(TypeError, match=type(given).__name__):
        await sluiceway.start_unix_server(lambda r, w: None, given)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_path_that_is_too_long(kind: str, unix_path: str) -> None:
    path = KINDS[kind](unix_path + 200 * "x")
    for attempt in (sluiceway.open_unix_connection(path), sluiceway.start_unix_server(lambda r, w: None, path)):
        with pytest.raises(sluiceway.UnixPathError, match=rf"at most 107 bytes.* has {len(unix_path) + 200}") as caught:
            await attempt
        assert caught.value.errno == errno.ENAMETOOLONG
        assert isinstance(caught.value, OSError)
        assert isinstance(caught.value, ValueError)


async def test_the_longest_path_that_there_can_be_works(unix_path: str) -> None:
    path = unix_path + (107 - len(unix_path)) * "x"
    await echo_once(sluiceway, path, path)


@pytest.mark.parametrize("what", ["file", "directory"])
async def test_a_path_that_is_no_socket(what: str, unix_path: str) -> None:
    path = pathlib.Path(unix_path)
    if what == "file":
        path.write_bytes(b"precious")
    else:
        path.mkdir()
    with pytest.raises(sluiceway.UnixPathError, match="exists and is not a Unix socket") as caught:
        await sluiceway.open_unix_connection(path)
    assert caught.value.errno == errno.ENOTSOCK
    with pytest.raises(sluiceway.UnixPathError, match="exists and is not a Unix socket") as caught:
        await sluiceway.start_unix_server(lambda r, w: None, path)
    assert caught.value.errno == errno.EADDRINUSE
    if what == "file":
        assert path.read_bytes() == b"precious"


async def test_nothing_there(unix_path: str) -> None:
    with pytest.raises(FileNotFoundError, match=unix_path):
        await sluiceway.open_unix_connection(unix_path)


async def test_nobody_listens_any_more(unix_path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(unix_path)
    with pytest.raises(ConnectionRefusedError, match=unix_path):
        await sluiceway.open_unix_connection(unix_path)
    with pytest.raises(ConnectionRefusedError, match="nobody"):
        await sluiceway.open_unix_connection("\0sluiceway-nobody-at-all")


async def test_a_path_that_a_gone_server_left_is_replaced(unix_path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(unix_path)
    await echo_once(sluiceway, unix_path, unix_path)


async def test_a_directory_that_is_not_there_is_named(unix_path: str) -> None:
    path = os.path.join(unix_path, "deeper")
    with pytest.raises(FileNotFoundError):
        await sluiceway.start_unix_server(lambda r, w: None, path)


async def test_an_abstract_name_in_use_is_named(unix_path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("\0" + unix_path)
        with pytest.raises(OSError, match=f"{unix_path}.*already in use") as caught:
            await sluiceway.start_unix_server(lambda r, w: None, "\0" + unix_path)
        assert caught.value.errno == errno.EADDRINUSE


async def test_cleanup_removes_the_path_when_the_server_closes(unix_path: str) -> None:
    server = await sluiceway.start_unix_server(lambda r, w: None, unix_path)
    assert stat.S_ISSOCK(os.stat(unix_path).st_mode)
    server.close()
    assert not os.path.exists(unix_path)
    await server.wait_closed()


async def test_cleanup_of_a_socket_handed_over(unix_path: str) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(unix_path)
    server = await sluiceway.start_unix_server(lambda r, w: None, sock=sock)
    server.close()
    assert not os.path.exists(unix_path)
    await server.wait_closed()


async def test_no_cleanup_where_none_is_wanted(unix_path: str) -> None:
    server = await sluiceway.start_unix_server(lambda r, w: None, unix_path, cleanup_socket=False)
    server.close()
    assert stat.S_ISSOCK(os.stat(unix_path).st_mode)
    await server.wait_closed()


@pytest.mark.parametrize("successor", ["server", "file"])
async def test_cleanup_leaves_what_is_not_ours_any_more(successor: str, unix_path: str) -> None:
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


async def test_cleanup_of_a_path_that_is_gone_is_no_error(unix_path: str) -> None:
    server = await sluiceway.start_unix_server(lambda r, w: None, unix_path)
    os.unlink(unix_path)
    server.close()
    await server.wait_closed()
