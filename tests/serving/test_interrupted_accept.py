"""A signal handler that raises while a connection is accepted leaks no descriptor, and the server goes on accepting."""

import asyncio
import errno
import gc
import itertools
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

import sluiceway
from sluiceway import ENGINE
from sluiceway._net import accept
from sluiceway._net.accept_socket import SocketSource
from support.connections import server_address
from support.file_descriptors import open_descriptors
from support.timeouts import PEER_TIMEOUT


class InterruptError(BaseException):
    """What the signal handler raises."""


def interrupted(call: Callable[[], object], number: int) -> bool:
    """Raise InterruptError before the instruction ``number`` of ``call()``; return False if it has fewer."""
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left < 0:
                raise InterruptError
        return trace

    before = sys.gettrace()
    # Python 3.12 reports instructions only if a frame has asked for them before settrace().
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        call()
    except InterruptError:
        return True
    finally:
        sys.settrace(before)
    return False


def sources() -> list[Callable[[socket.socket], Any]]:
    """Return the classes whose accept() the listener of a server calls."""
    if ENGINE != "epoll":
        return [SocketSource]
    from sluiceway._transports.epoll.listening_socket import ListeningSocket

    return [SocketSource, ListeningSocket]


@pytest.mark.parametrize("then", ["accept", "close", "drop"])
@pytest.mark.parametrize("source_of", sources())
def test_interrupt_at_each_instruction_of_an_accept_leaks_no_descriptor(
    source_of: Callable[[socket.socket], Any], then: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        for number in itertools.count():
            gc.collect()
            before = open_descriptors()
            source = source_of(listener)
            with warnings.catch_warnings():
                # The socket of an interrupted accept is closed by its end.
                warnings.simplefilter("ignore", ResourceWarning)
                with socket.create_connection(address):
                    was_interrupted = interrupted(lambda source=source: source.accept()[0].close(), number)
                if then == "accept":
                    with socket.create_connection(address):
                        source.accept()[0].close()
                elif then == "close":
                    source.close()
                source = None
                gc.collect()
            assert open_descriptors() == before, f"interrupted before instruction {number}"
            if not was_interrupted:
                break
        assert number > (20 if source_of is SocketSource else 3)


class RaisesOnce:
    """Takes the place of the source of a listener. accept() restores it, and raises as a signal handler may."""

    def __init__(self, listener: Any, error: BaseException) -> None:
        self._listener = listener
        self._source = listener._source
        self._error = error
        listener._source = self

    def accept(self) -> Any:
        self._listener._source = self._source
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("in a signal handler"),
        BrokenPipeError(errno.EPIPE, "in a signal handler"),
        BlockingIOError(errno.EAGAIN, "in a signal handler"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_error_of_a_signal_handler_in_accept_does_not_stop_accepting(
    error: BaseException, loop_errors: list[dict[str, Any]]
) -> None:
    async def handle(_: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.write(b"accepted")
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        [listener] = server._listeners or []
        RaisesOnce(listener, error)
        reader, writer = await sluiceway.open_connection(*server_address(server))
        assert await asyncio.wait_for(reader.read(), PEER_TIMEOUT) == b"accepted"
        writer.close()
        await writer.wait_closed()
    assert [context["exception"] for context in loop_errors] == [error]
    loop_errors.clear()


async def test_lack_of_memory_before_the_system_call_pauses_accepting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the loop would call accept() again and again, with 100 % CPU."""
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    async with await sluiceway.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        [listener] = server._listeners or []
        RaisesOnce(listener, MemoryError())
        reader, writer = await sluiceway.open_connection(*server_address(server))
        assert await asyncio.wait_for(reader.read(), PEER_TIMEOUT) == b""
        writer.close()
        await writer.wait_closed()
    assert "free memory" in caplog.text


@pytest.mark.parametrize("error", [BlockingIOError, InterruptedError, ConnectionAbortedError])
def test_connection_is_closed_if_a_signal_handler_raises_after_the_system_call(error: type[OSError]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as peer:
        peer.settimeout(PEER_TIMEOUT)
        source = SocketSource(listener)
        calls = source._accept

        def accept_and_raise() -> Iterator[None]:
            next(calls)
            raise error
            yield

        source._accept = accept_and_raise()  # type: ignore[assignment]
        with pytest.raises(error):
            source.accept()
        assert not source.call_failed()
        assert peer.recv(1) == b""


@pytest.mark.parametrize("source_of", sources())
def test_source_tells_its_own_error_from_that_of_a_signal_handler(source_of: Callable[[socket.socket], Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        source = source_of(listener)
        assert not source.call_failed()
        with pytest.raises(BlockingIOError):
            source.accept()
        assert source.call_failed()
        assert not source.call_failed()


@pytest.mark.parametrize("method", ["add_reader", "remove_reader"])
async def test_interrupt_of_a_watch_leaves_no_closed_socket_watched(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where uvloop finds one, it ends the process.
    loop: Any = asyncio.get_running_loop()
    original = getattr(loop, method)

    sock = socket.create_server(("127.0.0.1", 0))
    descriptor = sock.fileno()

    def call(watched: int, *args: Any) -> Any:
        if watched != descriptor:
            # The engine's own.
            return original(watched, *args)
        monkeypatch.undo()
        if method == "add_reader":
            original(watched, *args)
        raise InterruptError

    server = await sluiceway.start_server(lambda *_: None, sock=sock, start_serving=False)
    if method == "remove_reader":
        await server.start_serving()
    monkeypatch.setattr(loop, method, call)
    with pytest.raises(InterruptError):
        if method == "add_reader":
            await server.start_serving()
        else:
            server.close()
    server.close()
    await server.wait_closed()
    assert sock.fileno() == -1
    assert not loop.remove_reader(descriptor)


class OpenTransport:
    """What asyncio finds in its table of transports."""

    def is_closing(self) -> bool:
        return False


@pytest.mark.loops("asyncio")
async def test_socket_is_closed_if_the_loop_refuses_to_watch_and_to_unwatch_it() -> None:
    """asyncio refuses both if it has a transport with the same descriptor, which the program has closed."""
    loop: Any = asyncio.get_running_loop()
    sock = socket.create_server(("127.0.0.1", 0))
    transport = loop._transports[sock.fileno()] = OpenTransport()
    with pytest.raises(RuntimeError, match="is used by transport"):
        await sluiceway.start_server(lambda *_: None, sock=sock)
    assert sock.fileno() == -1
    del transport
