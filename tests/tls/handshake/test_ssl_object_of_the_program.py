"""SSLContext.sslobject_class and derived contexts: the methods of the program's SSLObject are called, and may raise."""

import asyncio
import contextlib
import logging
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.scheduling import start_task, wait_until


class _Pinned(ssl.SSLObject):
    """Refuses each peer after the handshake, as a check of a pinned certificate does."""

    error: type[Exception] = RuntimeError

    def do_handshake(self) -> None:
        super().do_handshake()
        raise self.error("the certificate is not the pinned one")


class _PinnedByError(_Pinned):
    # Unlike one that the ssl module raises, it has no ``reason``, ``verify_code`` or ``verify_message``.
    error = ssl.SSLCertVerificationError


class _PinnedByValueError(_Pinned):
    error = ValueError


class _Short(ssl.SSLObject):
    """Takes three bytes at each write."""

    def write(self, data: Any) -> int:
        return super().write(bytes(data[:3]))


REFUSALS = (_Pinned, _PinnedByError, _PinnedByValueError)


def refusing(context: ssl.SSLContext, kind: type[ssl.SSLObject]) -> ssl.SSLContext:
    context.sslobject_class = kind
    return context


async def ignore(reader: Any, writer: Any) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize("api", ["open_connection", "connect"])
@pytest.mark.parametrize("kind", REFUSALS)
async def test_connect_raises_the_error_of_the_program(kind: type[_Pinned], api: str, tls: Certificates) -> None:
    context = refusing(tls.new_client_context(), kind)
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, report: unhandled.append(report))
    async with await sluiceway.start_server(ignore, "127.0.0.1", 0, ssl=tls.server_context) as server:
        host, port = server_address(server)
        with pytest.raises(kind.error, match="the certificate is not the pinned one"):
            if api == "connect":
                await sluiceway.connect(f"tls://{host}:{port}", tls=context, server_hostname="localhost")
            else:
                await sluiceway.open_connection(host, port, ssl=context, server_hostname="localhost")
    # In debug mode the failure of the server is reported.
    assert [report["exception"] for report in unhandled if not isinstance(report["exception"], ConnectionError)] == []


@pytest.mark.parametrize("kind", REFUSALS)
async def test_server_reports_the_error_of_the_program(
    kind: type[_Pinned], tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = refusing(tls.new_server_context(), kind)
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, report: unhandled.append(report))
    caplog.set_level(logging.WARNING, "sluiceway")
    async with await sluiceway.start_server(ignore, "127.0.0.1", 0, ssl=context) as server:
        with pytest.raises(OSError):
            reader, writer = await sluiceway.open_connection(
                *server_address(server), ssl=tls.client_context, server_hostname="localhost"
            )
            try:
                if await reader.read() == b"":
                    raise ConnectionResetError
            finally:
                writer.close()
        if issubclass(kind.error, OSError):
            await wait_until(lambda: caplog.records)
            assert caplog.messages[0].endswith("failed: the certificate is not the pinned one")
            assert all(isinstance(report["exception"], kind.error) for report in unhandled)
        else:
            await wait_until(lambda: unhandled)
            assert [type(report["exception"]) for report in unhandled] == [kind.error]


@pytest.mark.parametrize("kind", REFUSALS)
async def test_start_tls_raises_the_error_of_the_program_and_closes(kind: type[_Pinned], tls: Certificates) -> None:
    # connected_pair() waits until the connection is closed, which raises the error again.
    with contextlib.suppress(RuntimeError, ValueError):
        async with connected_pair(sluiceway) as (near, far):
            await _refuse_upgrade(kind, near, far, tls)


async def _refuse_upgrade(kind: type[_Pinned], near: Any, far: Any, tls: Certificates) -> None:
    context = refusing(tls.new_client_context(), kind)
    upgrading = await start_task(far[1].start_tls(tls.server_context))
    with pytest.raises(kind.error, match="the certificate is not the pinned one"):
        await near[1].start_tls(context, server_hostname="localhost")
    await asyncio.wait([upgrading])
    upgrading.exception()
    await wait_until(near[1].is_closing)
    with pytest.raises(kind.error, match="the certificate is not the pinned one"):
        await near[1].wait_closed()


async def test_write_during_an_encryption_does_not_leave_writing_paused(tls: Certificates) -> None:
    later: list[bytes] = []

    class Writing(ssl.SSLObject):
        def write(self, data: Any) -> int:
            if later:
                near[1].transport.write(later.pop())
            return super().write(data)

    context = refusing(tls.new_client_context(), Writing)
    async with connected_pair(
        sluiceway, server={"ssl": tls.server_context}, client={"ssl": context, "server_hostname": "localhost"}
    ) as (near, far):
        # More than the high-water mark, and less than the kernel accepts.
        later.append(bytes(100_000))
        near[1].write(b"x")
        draining = await start_task(near[1].drain())
        assert await far[0].readexactly(100_001) == b"x" + bytes(100_000)
        await wait_until(draining.done)


@pytest.mark.parametrize("size", [4, 40_000])
async def test_write_that_takes_less_loses_nothing(size: int, tls: Certificates) -> None:
    context = refusing(tls.new_client_context(), _Short)
    async with connected_pair(
        sluiceway, server={"ssl": tls.server_context}, client={"ssl": context, "server_hostname": "localhost"}
    ) as (near, far):
        data = bytes(range(256)) * (size // 4 // 64) or b"four"
        near[1].write(data)
        near[1].write(b"end\n")
        draining = asyncio.create_task(near[1].drain())
        assert await far[0].readexactly(len(data)) == data
        assert await far[0].readline() == b"end\n"
        await draining
        assert near[1].transport.get_write_buffer_size() == 0


def returning(operation: str, result: Any, tls: Certificates, side: str) -> dict[str, dict[str, Any]]:
    """Return options of connected_pair(): ``operation`` of the SSLObject of ``side`` returns what ``result`` returns.

    ``result`` is called with what OpenSSL has returned.
    """

    class Own(ssl.SSLObject):
        # As asyncio's streams call it, without a buffer.
        def read(self, size: int) -> Any:  # type: ignore[override]
            data = super().read(min(size, 7) if operation == "short read" else size)
            return result(data) if operation == "read" else data

        def write(self, data: Any) -> Any:
            count = super().write(data)
            return result(count) if operation == "write" else count

    client, server = tls.new_client_context(), tls.new_server_context()
    (client if side == "client" else server).sslobject_class = Own
    return {"server": {"ssl": server}, "client": {"ssl": client, "server_hostname": "localhost"}}


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("size", [10, 40_000])
@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, r"write\(\) of the SSLObject '.*Own' must return the number of bytes taken, not 'NoneType': None"),
        ("", "must return the number of bytes taken, not 'str': ''"),
        (-1, r"write\(\) of the SSLObject '.*Own' must return a number greater than 0, not -1"),
        (0, "must return a number greater than 0, not 0"),
    ],
)
async def test_write_with_a_bad_result_raises_and_ends_the_connection(
    result: Any, message: str, size: int, side: str, tls: Certificates
) -> None:
    """The data must neither be sent twice, nor tried without end."""
    options = returning("write", lambda _: result, tls, side)
    with contextlib.suppress(ConnectionError):
        async with connected_pair(sluiceway, **options) as (near, far):
            reader, writer = near if side == "client" else far
            with pytest.raises((TypeError, ValueError), match=message):
                writer.write(bytes(size))
            assert writer.is_closing()
            with pytest.raises(ConnectionAbortedError, match="may have lost written data"):
                await reader.read()


@pytest.mark.parametrize("size", [10, 40_000])
async def test_write_whose_result_exceeds_the_data_has_taken_all_data(size: int, tls: Certificates) -> None:
    async with connected_pair(sluiceway, **returning("write", lambda _: 1 << 70, tls, "client")) as (near, far):
        near[1].write(bytes(size))
        near[1].write(b"end\n")
        assert await far[0].readline() == bytes(size) + b"end\n"


@pytest.mark.parametrize("result", ["text", 5, 1 << 70])
@pytest.mark.parametrize("size", [10, 40_000])
async def test_read_that_returns_no_bytes_reports_that_and_ends_the_connection(
    size: int, result: Any, tls: Certificates
) -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, report: unhandled.append(report))
    with contextlib.suppress(ConnectionError):
        async with connected_pair(sluiceway, **returning("read", lambda _: result, tls, "client")) as (near, far):
            reading = await start_task(near[0].readexactly(size))
            far[1].write(bytes(size))
            with pytest.raises(ConnectionAbortedError, match="aborted: TypeError may have lost received data"):
                await reading
            assert near[1].is_closing()
    messages = [str(report["exception"]) for report in unhandled]
    assert messages[0].endswith(f"Own' must return bytes, not {type(result).__name__!r}")


@pytest.mark.parametrize(
    ("operation", "result"), [("short read", None), ("read", bytearray), ("read", memoryview), ("write", lambda n: n)]
)
@pytest.mark.parametrize("size", [10, 40_000, 300_000])
async def test_read_may_return_a_part_of_a_record_and_any_bytes_like_object(
    operation: str, result: Any, size: int, tls: Certificates
) -> None:
    """As with asyncio's streams: the rest of the record must not wait for the next one."""
    data = bytes(range(250)) * (size // 250) or bytes(range(10))
    async with connected_pair(sluiceway, **returning(operation, result, tls, "client")) as (near, far):
        reading = await start_task(near[0].readexactly(len(data)))
        far[1].write(data)
        assert await reading == data
        far[1].write(b"line\n")
        assert await near[0].readline() == b"line\n"
        assert type(near[1].get_extra_info("ssl_object")).__name__ == "Own"


async def test_empty_read_is_the_end_of_the_input(tls: Certificates) -> None:
    async with connected_pair(sluiceway, **returning("read", lambda _: None, tls, "client")) as (near, far):
        reading = await start_task(near[0].read())
        far[1].write(b"not returned")
        assert await reading == b""
