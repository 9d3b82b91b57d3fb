"""The context of ssl=True: made once, off the loop's thread, and again when what it is made from changes."""

import asyncio
import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import shutil
import ssl
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.tls import default_context as default_context_module
from sluiceway._transports.tls.default_context import DefaultContext, default_context
from support.certificates import Certificates
from support.child_processes import IGNORE_THREADS, run_child
from support.connections import close_discarding, server_address
from support.file_descriptors import descriptors_exhausted
from support.interrupts import Interrupt
from support.timeouts import PEER_TIMEOUT

SHARED: Any = default_context


class Loads:
    """Replaces ``ssl.create_default_context``; ``threads`` lists where it was called."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.created = 0
        self.error: Exception | None = None
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.started = threading.Event()
        self._create = ssl.create_default_context

    def __call__(self) -> ssl.SSLContext:
        self.threads.append(threading.current_thread())
        self.started.set()
        self.may_finish.wait()
        if self.error is not None:
            raise self.error
        context = self._create()
        self.created += 1
        return context


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, tls: Certificates, tmp_path: pathlib.Path) -> Loads:
    authorities = tmp_path / "authorities.pem"
    shutil.copy(tls.ca_file, authorities)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    loads = Loads()
    monkeypatch.setattr(ssl, "create_default_context", loads)
    return loads


async def get_shared(shared: Any = default_context) -> ssl.SSLContext:
    context: ssl.SSLContext = await asyncio.wait_for(shared.get(asyncio.get_running_loop()), PEER_TIMEOUT)
    return context


@contextlib.asynccontextmanager
async def connections(tls: Certificates) -> Any:
    """Yield a function that opens a connection with ssl=True and returns its context."""
    writers = []

    async def handle(_reader: Any, writer: Any) -> None:
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:

        async def connect() -> ssl.SSLContext:
            _, writer = await sluiceway.open_connection(*server_address(server), ssl=True, server_hostname="localhost")
            writers.append(writer)
            context: ssl.SSLContext = writer.get_extra_info("sslcontext")
            return context

        try:
            yield connect
        finally:
            for writer in writers:
                await close_discarding(writer)


async def test_connections_share_one_context_loaded_in_a_thread(loads: Loads, tls: Certificates) -> None:
    async with connections(tls) as connect:
        first, second = await asyncio.gather(connect(), connect())
        assert first is second
        assert await connect() is first
        assert isinstance(first, ssl.SSLContext)
        assert (first.check_hostname, first.verify_mode) == (True, ssl.CERT_REQUIRED)
    [thread] = loads.threads
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


async def test_cancelled_connect_does_not_cancel_the_load_of_others(loads: Loads) -> None:
    loop = asyncio.get_running_loop()
    loads.may_finish.clear()
    waiting = [asyncio.create_task(SHARED.get(loop)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    loads.may_finish.set()
    contexts = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(contexts[0], asyncio.CancelledError)
    assert isinstance(contexts[1], ssl.SSLContext)
    assert contexts[1] is contexts[2]
    assert not SHARED._load.waiters
    [thread] = loads.threads
    thread.join(PEER_TIMEOUT)


@pytest.mark.parametrize("change", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "file", "directory"])
async def test_changed_authorities_are_loaded(
    change: str, loads: Loads, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    first = await SHARED.get(loop)
    if change == "file":
        with (tmp_path / "authorities.pem").open("a") as file:
            file.write("\n")
    elif change == "directory":
        (tmp_path / "0123abcd.0").write_text("")
        os.utime(tmp_path, ns=(1, 1))
    else:
        other = tmp_path / "other"
        other.mkdir() if change == "SSL_CERT_DIR" else shutil.copy(tmp_path / "authorities.pem", other)
        monkeypatch.setenv(change, str(other))
    second = await SHARED.get(loop)
    assert second is not first
    assert await SHARED.get(loop) is second
    assert len(loads.threads) == 2
    if change == "SSLKEYLOGFILE":
        # The context, to which its thread refers, keeps the file open.
        monkeypatch.delenv(change)
        loads.threads.clear()
        del second
        await SHARED.get(loop)


@pytest.mark.parametrize("change", ["variable", "first", "second"])
async def test_changed_list_of_directories_is_loaded(
    change: str, loads: Loads, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL splits SSL_CERT_DIR at colons."""
    loop = asyncio.get_running_loop()
    directories = {name: tmp_path / name for name in ("first", "second", "third")}
    for directory in directories.values():
        directory.mkdir()
        os.utime(directory, ns=(1, 1))
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(str(directories[name]) for name in ("first", "second")))
    first = await SHARED.get(loop)
    assert await SHARED.get(loop) is first
    if change == "variable":
        monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(str(directories[name]) for name in ("first", "third")))
    else:
        os.utime(directories[change], ns=(2, 2))
    second = await SHARED.get(loop)
    assert second is not first
    assert await SHARED.get(loop) is second


def assign(name: str, value: Any) -> Callable[[ssl.SSLContext], None]:
    return lambda context: setattr(context, name, value)


@pytest.mark.parametrize(
    "change",
    [
        assign("check_hostname", False),
        assign("maximum_version", ssl.TLSVersion.TLSv1_2),
        assign("options", ssl.OP_NO_TICKET),
        assign("verify_flags", ssl.VERIFY_X509_STRICT),
        lambda context: context.set_ciphers("ALL"),
        lambda context: context.set_alpn_protocols(["h2"]),
        lambda context: context.load_default_certs(),
    ],
    ids=["check_hostname", "maximum_version", "options", "verify_flags", "ciphers", "alpn", "authorities"],
)
async def test_context_changed_by_the_program_is_not_reused(
    change: Callable[[ssl.SSLContext], None], loads: Loads, tls: Certificates
) -> None:
    async with connections(tls) as connect:
        context = await connect()
        assert context.get_ciphers()
        assert context.cert_store_stats()["x509"] == 1
        assert await connect() is context
        change(context)
        later = await connect()
        assert later is not context
        assert (later.check_hostname, later.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert await connect() is later


@pytest.mark.parametrize(
    ("key_log_file", "reason"), [("/other", "denied: '/keys'"), ("/keys", "denied; check SSLKEYLOGFILE: '/keys'")]
)
async def test_failed_load_raises_with_its_cause_and_is_retried(
    key_log_file: str, reason: str, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", key_log_file)
    loads.error = PermissionError(13, "Permission denied", "/keys")
    for _ in range(2):
        with pytest.raises(PermissionError, match=f"default TLS context: Permission {reason}$"):
            await sluiceway.open_connection("127.0.0.1", 9, ssl=True)
    loads.error = None
    monkeypatch.delenv("SSLKEYLOGFILE")
    assert isinstance(await SHARED.get(asyncio.get_running_loop()), ssl.SSLContext)
    assert len(loads.threads) == 3


async def test_failed_load_creates_no_reference_cycle(loads: Loads) -> None:
    loads.error = ValueError()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ValueError):
        await SHARED.get(loop)
    loads.error = None
    failed = weakref.ref(SHARED._load)
    await SHARED.get(loop)
    assert failed() is None


@pytest.mark.parametrize("error", [None, ValueError()], ids=["loaded", "failed"])
async def test_object_of_the_thread_is_freed_at_its_end(error: Exception | None, loads: Loads) -> None:
    """The checks of CPython's own tests count the Thread objects, too."""
    loads.error = error
    with contextlib.suppress(ValueError):
        await SHARED.get(asyncio.get_running_loop())
    thread = weakref.ref(loads.threads.pop())
    assert thread() is None


async def test_context_of_another_class_is_not_shared(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may replace ssl.SSLContext by its own class."""

    class Other(ssl.SSLContext):
        pass

    monkeypatch.setattr(ssl, "create_default_context", lambda: Other(ssl.PROTOCOL_TLS_CLIENT))
    loop = asyncio.get_running_loop()
    first = await SHARED.get(loop)
    assert type(first) is Other
    assert await SHARED.get(loop) is not first


async def test_load_runs_if_gevent_replaces_threads_later(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", type("Other", (threading.Thread,), {}))
    await get_shared()
    assert type(loads.threads.pop()) is threading.Thread


async def test_context_loaded_while_no_descriptor_was_left_is_not_shared(loads: Loads) -> None:
    """OpenSSL reports no error if it cannot open the file of certificates."""
    with descriptors_exhausted():
        first = await get_shared()
    assert not first.get_ca_certs()
    second = await get_shared()
    assert second.get_ca_certs()
    assert await get_shared() is second
    assert len(loads.threads) == 2


async def test_busy_executor_does_not_delay_connections(loads: Loads, tls: Certificates) -> None:
    connected = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        executor.submit(connected.wait)
        asyncio.get_running_loop().set_default_executor(executor)
        try:
            async with connections(tls) as connect, asyncio.timeout(PEER_TIMEOUT):
                assert isinstance(await connect(), ssl.SSLContext)
        finally:
            connected.set()
    assert len(loads.threads) == 1


async def test_executor_that_was_shut_down_does_not_prevent_connections(loads: Loads, tls: Certificates) -> None:
    async with connections(tls) as connect:
        await asyncio.get_running_loop().shutdown_default_executor()
        assert isinstance(await connect(), ssl.SSLContext)
    assert threading.current_thread() not in loads.threads


@pytest.mark.parametrize("finalizing", [False, True], ids=["limit", "exit"])
async def test_context_is_loaded_in_place_if_no_thread_can_be_started(
    finalizing: bool, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the exit of the interpreter, Thread.start() of CPython 3.11 waits without end."""

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "is_finalizing", lambda: finalizing)
        if finalizing:
            patch.setattr(threading.Thread, "start", None)
        else:
            # The system has no space for such a stack.
            threading.stack_size(1 << 46)
        try:
            context = await SHARED.get(loop)
        finally:
            threading.stack_size(0)
    assert isinstance(context, ssl.SSLContext)
    assert await SHARED.get(loop) is context
    assert loads.threads == [threading.current_thread()]


def test_exit_of_the_interpreter_waits_for_the_load(loads: Loads) -> None:
    """A thread that used OpenSSL while the process ends could crash it. A thread is a daemon if its starter is one."""
    thread = threading.Thread(target=lambda: asyncio.run(get_shared()), daemon=True)
    thread.start()
    thread.join(PEER_TIMEOUT)
    assert [thread.daemon for thread in loads.threads] == [False]


def test_loop_closed_during_the_load_does_not_keep_later_loops_waiting(
    loads: Loads, caplog: pytest.LogCaptureFixture
) -> None:
    loads.may_finish.clear()
    loop = asyncio.new_event_loop()
    call = SHARED.get(loop)
    call.send(None)
    loop.close()
    loads.may_finish.set()
    assert isinstance(asyncio.run(get_shared()), ssl.SSLContext)
    [thread] = loads.threads
    thread.join(PEER_TIMEOUT)
    assert not SHARED._load.waiters
    call.close()
    assert caplog.messages == []


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
async def test_interrupted_start_of_the_load_does_not_keep_later_calls_waiting(
    error: type[BaseException], started: bool, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupt(thread: threading.Thread) -> None:
        if started:
            start(thread)
            thread.join(PEER_TIMEOUT)
        raise error

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(error):
            await SHARED.get(loop)
    assert isinstance(await asyncio.wait_for(SHARED.get(loop), PEER_TIMEOUT), ssl.SSLContext)
    assert len(loads.threads) == 1


LEFT_OUT = [function.__code__ for function in (threading.Thread.start, threading.Thread.join)]


def belongs_to_module(frame: types.FrameType | None) -> bool:
    """Return True for the functions of the module, and for those that they call, directly or not.

    Left out are the start and the join of a thread, and the methods of the loop. Only CPython could prevent the effects
    of an interrupt there.
    """
    while frame is not None:
        code = frame.f_code
        if code in LEFT_OUT or code.co_filename == asyncio.base_events.__file__:
            return False
        if code.co_filename == DefaultContext.get.__code__.co_filename:
            return True
        frame = frame.f_back
    return False


@pytest.mark.parametrize("in_thread", [True, False], ids=["thread", "in_place"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupt_at_any_place_is_raised_and_keeps_no_call_waiting(
    error: type[BaseException], in_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that an interrupt leaves locked blocks the next call, and the exit of the process."""
    may_finish = threading.Event()

    def create() -> ssl.SSLContext:
        if in_thread:
            may_finish.wait()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setattr(ssl, "create_default_context", create)
    monkeypatch.setattr(sys, "is_finalizing", lambda: not in_thread)
    for number in itertools.count():
        shared = DefaultContext()
        loop = asyncio.new_event_loop()
        errors = []
        loop.set_exception_handler(lambda _, details, errors=errors: errors.append(details["exception"]))
        tasks = [loop.create_task(shared.get(loop)) for _ in range(2)]
        if in_thread:
            # In this order, both calls wait for the thread.
            may_finish.clear()
            loop.call_soon(may_finish.set)
        interrupt = Interrupt(number, error, belongs_to_module)
        done: Any = ()
        with interrupt.active():
            while not done:
                try:
                    done, waiting = loop.run_until_complete(asyncio.wait(tasks, timeout=PEER_TIMEOUT))
                except error as caught:
                    errors.append(caught)
        loop.close()
        assert not waiting, f"interrupted at {interrupt.at}"
        errors += filter(None, [task.exception() for task in tasks])
        assert bool(errors) == bool(interrupt.at), f"interrupted at {interrupt.at}"
        assert isinstance(asyncio.run(get_shared(shared)), ssl.SSLContext)
        if not interrupt.at:
            break
    assert number > 20


@IGNORE_THREADS
def test_fork_waits_for_the_load(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the child would release the locks of OpenSSL that the thread holds."""
    join = threading.Thread.join

    def finish_and_join(load: Any, timeout: float | None = None) -> None:
        loads.may_finish.set()
        join(load, timeout)

    def child() -> None:
        assert loads.created == 1

    async def fork() -> int:
        waiting = asyncio.create_task(get_shared())
        assert await asyncio.to_thread(loads.started.wait, PEER_TIMEOUT)
        status = run_child(child)
        loads.may_finish.set()
        await waiting
        return status

    monkeypatch.setattr(threading.Thread, "join", finish_and_join)
    loads.may_finish.clear()
    assert asyncio.run(fork()) == 0


@IGNORE_THREADS
def test_child_forked_during_the_load_loads_the_context_itself(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that loads, and has the lock, exists in the parent only, if the fork has not waited for its end."""
    monkeypatch.setattr(default_context_module, "_FORK_WAIT", 0)

    def get() -> ssl.SSLContext:
        return asyncio.run(get_shared())

    def child() -> None:
        # The thread of the parent may have locked the lock of this event.
        loads.may_finish = threading.Event()
        loads.may_finish.set()
        assert isinstance(get(), ssl.SSLContext)

    loads.may_finish.clear()
    parent = threading.Thread(target=get)
    parent.start()
    assert loads.started.wait(PEER_TIMEOUT)
    status = run_child(child)
    loads.may_finish.set()
    parent.join(PEER_TIMEOUT)
    assert status == 0
    assert len(loads.threads) == 1


def test_loops_in_threads_share_one_context_and_one_load(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = []
    shared = DefaultContext()
    barrier = threading.Barrier(4)
    start = threading.Thread.start

    def start_together(thread: threading.Thread) -> None:
        start(thread)
        if thread not in threads:
            barrier.wait(PEER_TIMEOUT)
            loads.may_finish.set()

    async def get() -> None:
        contexts.append(await shared.get(asyncio.get_running_loop()))

    threads = [threading.Thread(target=lambda: asyncio.run(get())) for _ in range(4)]
    monkeypatch.setattr(threading.Thread, "start", start_together)
    loads.may_finish.clear()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PEER_TIMEOUT)
    assert len(contexts) == 4
    assert len({id(context) for context in contexts}) == 1
    assert len(loads.threads) == 1
