"""S12: which classes install(), uninstall() and installed() put under asyncio's names, and when."""

import asyncio
import contextlib
import inspect
import itertools
import linecache
import os
import socket
import subprocess
import sys
import types
from asyncio import base_events, streams
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import mock

import pytest

import sluiceway
from dropin.class_combinations import asyncio_class
from sluiceway._log import logger
from support.interrupts import Interrupt

CLASSES = ("StreamReader", "StreamWriter", "StreamReaderProtocol")
FUNCTIONS = ("open_connection", "start_server", "open_unix_connection", "start_unix_server")
ASYNCIO_NAMES = {name: getattr(streams, name) for name in (*CLASSES, *FUNCTIONS, "FlowControlMixin")}


class DerivedBefore(asyncio.StreamReader):
    """A class that a library derived before install()."""


@pytest.fixture(autouse=True)
def uninstall_after_test() -> Iterator[None]:
    assert current_names() == ASYNCIO_NAMES
    yield
    sluiceway.uninstall()
    assert current_names() == ASYNCIO_NAMES


def current_names() -> dict[str, Any]:
    return {name: getattr(streams, name) for name in ASYNCIO_NAMES}


def is_installed() -> bool:
    """Return whether every name is sluiceway's; AssertionError if only some are."""
    ours = [getattr(streams, name) is not original for name, original in ASYNCIO_NAMES.items()]
    ours += [getattr(asyncio, name) is not ASYNCIO_NAMES[name] for name in (*CLASSES, *FUNCTIONS)]
    assert len(set(ours)) == 1, current_names()
    assert sluiceway.is_installed() is ours[0]
    return ours[0]


def test_install_replaces_every_name_and_uninstall_restores_it() -> None:
    sluiceway.install()
    for name in CLASSES:
        assert getattr(asyncio, name) is getattr(streams, name) is getattr(sluiceway, name)
    assert streams.FlowControlMixin is sluiceway.FlowControlMixin
    for name in FUNCTIONS:
        assert getattr(asyncio, name) is getattr(streams, name)
        current = getattr(asyncio, name)
        assert getattr(current, "__wrapped__", current) is getattr(sluiceway, name)
    sluiceway.uninstall()
    assert not is_installed()


def test_second_install_or_uninstall_has_no_effect() -> None:
    sluiceway.uninstall()
    assert not is_installed()
    sluiceway.install()
    sluiceway.install()
    assert is_installed()
    assert issubclass(ASYNCIO_NAMES["StreamReader"], asyncio.StreamReader)
    sluiceway.uninstall()
    assert not is_installed()
    sluiceway.uninstall()
    assert not is_installed()
    sluiceway.install()
    assert is_installed()


def test_installed_as_condition_raises_type_error_that_names_is_installed() -> None:
    with pytest.raises(TypeError, match=r"use is_installed\(\) to test"):
        bool(sluiceway.installed())
    assert not is_installed()


def test_installed_decorator_installs_during_call() -> None:
    decorated = sluiceway.installed()(is_installed)
    assert [decorated(), is_installed(), decorated()] == [True, False, True]


async def coroutine_function() -> None:
    pass


def generator_function() -> Iterator[None]:
    yield


async def asynchronous_generator_function() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("function", [coroutine_function, generator_function, asynchronous_generator_function])
def test_installed_refuses_to_decorate_functions_whose_body_runs_later(function: Any) -> None:
    with pytest.raises(TypeError, match=rf"installed\(\) cannot decorate .*{function.__name__}"):
        sluiceway.installed()(function)


def test_install_and_uninstall_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    build = f"(core: {sluiceway.IMPLEMENTATION}, engine: {sluiceway.ENGINE})"
    with caplog.at_level("DEBUG", logger="sluiceway"):
        sluiceway.install()
        sluiceway.install()
        sluiceway.uninstall()
        sluiceway.uninstall()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", f"install(): asyncio's stream names refer to sluiceway {build}"),
        ("DEBUG", "uninstall(): asyncio's stream names refer to asyncio's own classes and functions again"),
    ]


def test_nested_installed_uninstalls_at_outer_end() -> None:
    with sluiceway.installed():
        with sluiceway.installed():
            assert is_installed()
        assert is_installed()
    assert not is_installed()


def test_installed_keeps_earlier_installation() -> None:
    sluiceway.install()
    with sluiceway.installed():
        assert is_installed()
    assert is_installed()


def test_installed_uninstalls_after_error() -> None:
    with pytest.raises(KeyError), sluiceway.installed():
        raise KeyError
    assert not is_installed()


@pytest.mark.parametrize("calls", [[LookupError, None], [LookupError, LookupError]])
def test_installed_restores_the_names_if_the_log_raises(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "debug", mock.Mock(side_effect=calls))
    with pytest.raises(LookupError):
        sluiceway.installed().__enter__()
    assert current_names() == ASYNCIO_NAMES


def test_uninstall_inside_installed_uninstalls() -> None:
    with sluiceway.installed():
        sluiceway.uninstall()
        assert not is_installed()
    assert not is_installed()


def test_block_after_uninstall_inside_block_uninstalls_at_its_end() -> None:
    with sluiceway.installed():
        sluiceway.uninstall()
        with sluiceway.installed():
            assert is_installed()
        assert not is_installed()
    assert not is_installed()


def test_block_that_began_before_uninstall_keeps_installation_of_later_block() -> None:
    earlier, later = sluiceway.installed(), sluiceway.installed()
    with contextlib.ExitStack() as stack:
        stack.enter_context(earlier)
        sluiceway.uninstall()
        with later:
            stack.close()
            assert is_installed()
    assert not is_installed()


async def test_overlapping_installed_of_two_tasks_uninstalls_at_end_of_last() -> None:
    first_ends, second_ends = asyncio.Event(), asyncio.Event()

    async def use(end: asyncio.Event) -> bool:
        with sluiceway.installed():
            await end.wait()
            return is_installed()

    first, second = asyncio.create_task(use(first_ends)), asyncio.create_task(use(second_ends))
    await asyncio.sleep(0)
    first_ends.set()
    assert await first
    assert is_installed()
    second_ends.set()
    assert await second
    assert not is_installed()


@pytest.mark.parametrize("module", [asyncio, streams], ids=["asyncio", "asyncio.streams"])
def test_uninstall_keeps_patch_made_after_install(module: Any) -> None:
    class PatchedReader(sluiceway.StreamReader):
        pass

    sluiceway.install()
    module.StreamReader = PatchedReader
    try:
        sluiceway.uninstall()
        assert module.StreamReader is PatchedReader
        assert {name for name, current in current_names().items() if current is not ASYNCIO_NAMES[name]} <= {
            "StreamReader"
        }
    finally:
        module.StreamReader = ASYNCIO_NAMES["StreamReader"]
    assert not is_installed()


def test_uninstall_restores_patch_made_before_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class PatchedReader(asyncio.StreamReader):
        pass

    with monkeypatch.context() as patch:
        patch.setattr(streams, "StreamReader", PatchedReader)
        sluiceway.install()
        assert streams.StreamReader is sluiceway.StreamReader
        sluiceway.uninstall()
        assert streams.StreamReader is PatchedReader
        assert asyncio.StreamReader is ASYNCIO_NAMES["StreamReader"]


def test_class_derived_while_installed_has_base_of_sluiceway() -> None:
    sluiceway.install()

    class DerivedAfter(asyncio.StreamReader):
        pass

    assert DerivedBefore.__mro__[1] is ASYNCIO_NAMES["StreamReader"]
    assert DerivedAfter.__mro__[1] is sluiceway.StreamReader
    sluiceway.uninstall()

    class DerivedLater(asyncio.StreamReader):
        pass

    assert DerivedLater.__mro__[1] is ASYNCIO_NAMES["StreamReader"]
    assert DerivedAfter.__mro__[1] is sluiceway.StreamReader


@pytest.mark.parametrize("name", [*CLASSES, "FlowControlMixin"])
@pytest.mark.loops("asyncio")
async def test_isinstance_and_issubclass_hold_between_both_classes_while_installed(name: str) -> None:
    ours, theirs = getattr(sluiceway, name), ASYNCIO_NAMES[name]
    our_object, their_object = instance_of(ours), instance_of(theirs)
    assert theirs is asyncio_class(ours)
    assert isinstance(our_object, theirs)
    assert issubclass(ours, theirs)
    assert not isinstance(their_object, ours)
    assert not issubclass(theirs, ours)
    sluiceway.install()
    # asyncio's name is now sluiceway's class; asyncio's objects and classes still count as instances and subclasses.
    current = getattr(streams, name)
    assert isinstance(their_object, current)
    assert isinstance(our_object, current)
    assert issubclass(theirs, current)
    assert issubclass(ours, current)
    assert not isinstance(object(), current)
    assert not issubclass(int, current)
    sluiceway.uninstall()
    assert isinstance(our_object, getattr(streams, name))
    assert not isinstance(their_object, ours)
    assert not issubclass(theirs, ours)


def instance_of(kind: Any) -> Any:
    loop = asyncio.get_running_loop()
    if issubclass(kind, ASYNCIO_NAMES["StreamReader"]):
        return kind(loop=loop)
    if issubclass(kind, ASYNCIO_NAMES["StreamReaderProtocol"]):
        return kind(asyncio.StreamReader(loop=loop), loop=loop)
    if issubclass(kind, ASYNCIO_NAMES["StreamWriter"]):
        closed = mock.create_autospec(asyncio.Transport, instance=True)
        closed.is_closing.return_value = True
        return kind(closed, instance_of(ASYNCIO_NAMES["StreamReaderProtocol"]), None, loop)
    return kind(loop)


def test_asyncio_class_is_not_a_subclass_of_class_derived_while_installed() -> None:
    """issubclass() answers as for asyncio's class; a derived class is not asyncio's class."""
    sluiceway.install()

    class Special(asyncio.StreamReader):
        pass

    assert not issubclass(ASYNCIO_NAMES["StreamReader"], Special)
    assert not issubclass(DerivedBefore, Special)
    assert issubclass(DerivedBefore, asyncio.StreamReader)


def test_server_is_subclass_of_asyncio_server() -> None:
    assert issubclass(sluiceway.Server, base_events.Server)
    assert issubclass(sluiceway.Server, asyncio.AbstractServer)


async def test_functions_return_objects_of_sluiceway_only_while_installed(unix_path: str) -> None:
    accepted: list[Any] = []

    def handler(reader: Any, writer: Any) -> None:
        accepted.append((reader, writer))
        writer.close()

    for ours in (True, False):
        if ours:
            sluiceway.install()
        for unix in (False, True):
            if unix:
                server = await asyncio.start_unix_server(handler, unix_path)
                reader, writer = await asyncio.open_unix_connection(unix_path)
            else:
                server = await asyncio.start_server(handler, "127.0.0.1", 0)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()
            for each_reader, each_writer in [*accepted, (reader, writer)]:
                await each_writer.wait_closed()
                assert isinstance(each_reader, sluiceway.StreamReader) is ours
                assert isinstance(each_writer, sluiceway.StreamWriter) is ours
            assert isinstance(server, sluiceway.Server) is ours
            accepted.clear()
        sluiceway.uninstall()


async def test_connection_made_while_installed_works_after_uninstall() -> None:
    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()

    sluiceway.install()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    sluiceway.uninstall()
    writer.write(b"still there\n")
    assert await reader.read() == b"still there\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def enter_block() -> None:
    sluiceway.installed().__enter__()


@pytest.mark.parametrize("call", [sluiceway.install, enter_block, sluiceway.uninstall])
def test_interrupt_at_any_place_leaves_the_lock_free_and_all_names_of_one_package(call: Callable[[], None]) -> None:
    """On CPython 3.12, a ``with`` statement around a loop does not see an interrupt at the end of an iteration."""
    module: Any = sys.modules["sluiceway._asyncio.install"]

    def is_place(frame: types.FrameType) -> bool:
        # CPython itself protects nothing between the call of __enter__() and the block.
        # On CPython 3.11, an instruction may belong to no line.
        line = linecache.getline(module.__file__, frame.f_lineno or 0)
        return frame.f_code.co_filename == module.__file__ and not line.lstrip().startswith("with ")

    for number in itertools.count():
        if call is sluiceway.uninstall:
            sluiceway.install()
        interrupt = Interrupt(number, KeyboardInterrupt, is_place)
        with interrupt.active(), contextlib.suppress(KeyboardInterrupt):
            call()
        if module._lock._is_owned():  # type: ignore[attr-defined]
            module._lock.release()
            pytest.fail(interrupt.at)
        assert module._changing == 0, interrupt.at
        if not is_installed():
            sluiceway.install()
            with sluiceway.installed():
                pass
            assert is_installed(), interrupt.at
        sluiceway.uninstall()
        assert current_names() == ASYNCIO_NAMES
        if not interrupt.at:
            break
    assert number > 5


class InterruptedLock(contextlib.AbstractContextManager[None]):
    """Raises KeyboardInterrupt after it has acquired ``lock``, as ``with lock:`` may do on CPython 3.14."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def __enter__(self) -> None:
        self.lock.acquire()
        raise KeyboardInterrupt

    def __exit__(self, *exc: object) -> None:
        raise AssertionError("the block was not entered")


def test_install_after_an_interrupt_that_leaves_the_lock_locked_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["sluiceway._asyncio.install"]
    lock = module._lock
    monkeypatch.setattr(module, "_lock", InterruptedLock(lock))
    with pytest.raises(KeyboardInterrupt):
        sluiceway.install()
    monkeypatch.undo()
    try:
        assert lock.acquire(blocking=False), "the next install() would wait"
        lock.release()
        sluiceway.install()
        assert sluiceway.is_installed()
        sluiceway.uninstall()
    finally:
        lock.release()


def test_import_of_sluiceway_changes_no_name_of_asyncio() -> None:
    from support.package import package_directory

    program = (
        "import asyncio, asyncio.streams as s; before = {**vars(asyncio)}, {**vars(s)}; import sluiceway; "
        "after = {**vars(asyncio)}, {**vars(s)}; assert all(new[name] is old[name] for old, new in zip(before, after) "
        "for name in old), 'changed'"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env={"PYTHONPATH": str(package_directory().parent)}, check=True
    )


@pytest.mark.parametrize("given", ["path", "sock"])
async def test_unix_server_leaves_its_path_while_installed_where_asyncio_does(unix_path: str, given: str) -> None:
    """Several processes may listen on one socket: the first that ends must not make the others unreachable."""

    async def path_is_left() -> bool:
        arguments: dict[str, Any] = {"path": unix_path}
        if given == "sock":
            arguments = {"sock": socket.socket(socket.AF_UNIX)}
            arguments["sock"].bind(unix_path)
        server = await asyncio.start_unix_server(lambda reader, writer: None, **arguments)
        server.close()
        await server.wait_closed()
        left = os.path.exists(unix_path)
        if left:
            os.unlink(unix_path)
        return left

    expected = await path_is_left()
    with sluiceway.installed():
        assert await path_is_left() == expected


def test_signature_shows_the_default_of_cleanup_socket_while_installed() -> None:
    own = inspect.signature(sluiceway.start_unix_server)
    with sluiceway.installed():
        installed = inspect.signature(asyncio.start_unix_server)
    default = sys.version_info >= (3, 13)
    assert installed.parameters["cleanup_socket"].default is default
    assert own.parameters["cleanup_socket"].default is True
    assert list(installed.parameters) == list(own.parameters)


async def test_cleanup_socket_of_the_program_is_used_while_installed(unix_path: str) -> None:
    with sluiceway.installed():
        for cleanup in (True, False):
            server: Any = await asyncio.start_unix_server(
                lambda reader, writer: None,
                unix_path,
                cleanup_socket=cleanup,  # type: ignore[call-arg, unused-ignore]
            )
            server.close()
            await server.wait_closed()
            assert os.path.exists(unix_path) != cleanup
