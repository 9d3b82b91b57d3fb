"""L7: what open_connection raises if no address can be connected to, with the same text on every loop."""

import asyncio
import errno
import functools
import gc
import re
import socket
from typing import Any

import pytest

import sluiceway
from support.fake_resolver import fake_resolver
from support.unreachable_addresses import refusing_address

SEQUENTIAL_AND_HAPPY_EYEBALLS = [{}, {"happy_eyeballs_delay": 60}]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("options", SEQUENTIAL_AND_HAPPY_EYEBALLS)
async def test_refused_connection_raises_error_with_address(host: str, options: dict[str, Any]) -> None:
    port = refusing_address(host)[1]
    with pytest.raises(ConnectionRefusedError, match=rf"'{re.escape(host)}', {port}") as raised:
        await sluiceway.open_connection(host, port, **options)
    assert raised.value.errno == errno.ECONNREFUSED


@pytest.mark.parametrize("options", SEQUENTIAL_AND_HAPPY_EYEBALLS)
async def test_zone_id_of_an_address_is_used(options: dict[str, Any]) -> None:
    """S11: getaddrinfo() and sock_connect() of uvloop drop it, and then every link-local address is invalid."""
    index, name = _loopback_interface()
    with pytest.raises(OSError, match=rf"'fe80::1', 1, 0, {index}\)") as raised:
        await sluiceway.open_connection(f"fe80::1%{name}", 1, **options)
    assert raised.value.errno != errno.EINVAL
    with pytest.raises(socket.gaierror, match="fe80::1%absent"):
        await sluiceway.open_connection("fe80::1%absent", 1, **options)


async def test_address_with_zone_id_is_connected_to_or_refused() -> None:
    # getaddrinfo() accepts the name of an interface only with a link-local address.
    host = f"::1%{_loopback_interface()[0]}"
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        _, writer = await sluiceway.open_connection(host, listener.getsockname()[1])
        assert writer.get_extra_info("peername")[:2] == listener.getsockname()[:2]
        writer.close()
        await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError, match="'::1'"):
        await sluiceway.open_connection(host, refusing_address("::1")[1])


async def test_ip_address_is_connected_to_without_the_resolver_of_the_loop() -> None:
    """S11: sock_connect() of uvloop would wait in its resolver's threads while lookups of other names take long."""
    loop: Any = asyncio.get_running_loop()

    async def getaddrinfo(*_: Any, **__: Any) -> Any:
        pytest.fail("the resolver was called")

    loop.getaddrinfo = getaddrinfo
    try:
        for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket.create_server((host, 0), family=family) as listener:
                _, writer = await sluiceway.open_connection(host, listener.getsockname()[1])
                writer.close()
                await writer.wait_closed()
    finally:
        del loop.getaddrinfo


async def test_sock_connect_that_a_program_has_wrapped_is_called() -> None:
    """functools.wraps() copies the name of the module by which uvloop's method is recognized."""
    loop: Any = asyncio.get_running_loop()
    original = loop.sock_connect
    calls = []

    @functools.wraps(original)
    async def sock_connect(sock: Any, address: Any) -> None:
        calls.append(address)
        await original(sock, address)

    loop.sock_connect = sock_connect
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            _, writer = await sluiceway.open_connection(*listener.getsockname())
            writer.close()
            await writer.wait_closed()
    finally:
        del loop.sock_connect
    assert len(calls) == 1


def _loopback_interface() -> tuple[int, str]:
    return next(entry for entry in socket.if_nameindex() if entry[1].startswith("lo"))


@pytest.mark.parametrize("options", SEQUENTIAL_AND_HAPPY_EYEBALLS)
async def test_errors_of_several_addresses_are_listed_in_order(options: dict[str, Any]) -> None:
    first, second = refusing_address(), refusing_address("::1")
    with fake_resolver({"both": [first, second]}), pytest.raises(OSError) as raised:
        await sluiceway.open_connection("both", 1, **options)
    message = str(raised.value)
    assert message.startswith("Multiple exceptions: ")
    assert message.index(f"'127.0.0.1', {first[1]}") < message.index(f"'::1', {second[1]}")
    assert type(raised.value) is OSError


@pytest.mark.parametrize("options", SEQUENTIAL_AND_HAPPY_EYEBALLS)
async def test_equal_errors_of_several_addresses_are_raised_once(options: dict[str, Any]) -> None:
    address = refusing_address()
    with fake_resolver({"twice": [address, address]}), pytest.raises(ConnectionRefusedError) as raised:
        await sluiceway.open_connection("twice", 1, **options)
    assert "Multiple" not in str(raised.value)


@pytest.mark.parametrize("options", SEQUENTIAL_AND_HAPPY_EYEBALLS)
@pytest.mark.parametrize("count", [1, 2])
async def test_all_errors_raises_exception_group(options: dict[str, Any], count: int) -> None:
    addresses = [refusing_address(), refusing_address("::1")][:count]
    with fake_resolver({"all": addresses}), pytest.raises(ExceptionGroup, match="create_connection failed") as raised:
        await sluiceway.open_connection("all", 1, all_errors=True, **options)
    assert len(raised.value.exceptions) == count
    for error, (host, port) in zip(raised.value.exceptions, addresses, strict=True):
        assert isinstance(error, ConnectionRefusedError)
        assert f"'{host}', {port}" in str(error)


@pytest.mark.parametrize("options", SEQUENTIAL_AND_HAPPY_EYEBALLS)
async def test_name_without_addresses_raises_os_error(options: dict[str, Any]) -> None:
    with fake_resolver({"none": []}), pytest.raises(OSError, match=r"getaddrinfo.*empty list"):
        await sluiceway.open_connection("none", 80, **options)


@pytest.mark.parametrize(("host", "port", "hint"), [
    ("http://localhost:80", 80, "pass the host name without scheme and path, and the port as a separate argument"),
    ("localhost/path", 80, "pass the host name without scheme and path"),
    ("localhost:80", None, "pass the host name without the port, which is a separate argument"),
    (":80", None, "pass the host name without the port, which is a separate argument"),
    ("[::1]", 80, "pass an IPv6 address without brackets, and the port as a separate argument"),
    ("local host", 80, "a host name contains no white space"),
    ("a.name", "80x", "check that the port '80x' is a number or the name of a service"),
    ("a.name", 80, None),
    ("fe80::1%nowhere", "80", None),
])  # fmt: skip
async def test_unknown_host_that_is_not_a_host_name_gets_a_hint(host: str, port: Any, hint: str | None) -> None:
    reason = "Name or service not known"

    async def fail(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, reason)

    loop: Any = asyncio.get_running_loop()
    loop.getaddrinfo = fail
    try:
        with pytest.raises(socket.gaierror) as raised:
            await sluiceway.open_connection(host, port)
    finally:
        del loop.getaddrinfo
    assert str(raised.value).endswith(reason if hint is None else f"{reason}; {hint}")
    name = host if port is None else f"{host}:{port}"
    assert f'cannot resolve "{name}": ' in str(raised.value)


@pytest.mark.parametrize(
    "options", [*SEQUENTIAL_AND_HAPPY_EYEBALLS, {"all_errors": True}, {"all_errors": True, "happy_eyeballs_delay": 60}]
)
async def test_connect_error_is_in_no_reference_cycle(options: dict[str, Any]) -> None:
    """When the caller drops the error, the frames, sockets and other errors that it refers to are freed."""
    error_raised: BaseException | None = None
    gc.collect()
    gc.disable()
    try:
        with fake_resolver({"both": [refusing_address(), refusing_address("::1")]}):
            try:
                await sluiceway.open_connection("both", 1, **options)
            except (OSError, ExceptionGroup) as error:
                error_raised = error
        assert error_raised is not None
        errors = error_raised.exceptions if isinstance(error_raised, ExceptionGroup) else (error_raised,)
        for error in errors:
            frames = _frames(error)
            for referrer in gc.get_referrers(error):
                assert referrer not in frames
                assert not any(referrer is frame.f_locals for frame in frames)
    finally:
        gc.enable()


def _frames(error: BaseException) -> list[Any]:
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        if "sluiceway" in traceback.tb_frame.f_code.co_filename:
            frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames


@pytest.mark.parametrize("options", [
    *SEQUENTIAL_AND_HAPPY_EYEBALLS,
    {"all_errors": True},
    {"all_errors": True, "happy_eyeballs_delay": 60},
    {"local_addr": ("192.0.2.1", 0)},
])  # fmt: skip
async def test_failed_connect_leaves_no_error_for_garbage_collector(options: dict[str, Any]) -> None:
    with fake_resolver({"both": [refusing_address(), refusing_address("::1")]}):
        with pytest.raises((OSError, ExceptionGroup)):
            await sluiceway.open_connection("both", 1, **options)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            try:
                await sluiceway.open_connection("both", 1, **options)
            except (OSError, ExceptionGroup):
                pass
            await asyncio.sleep(0)
            gc.collect()
            uncollected = [it for it in gc.garbage if isinstance(it, BaseException)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert uncollected == []
