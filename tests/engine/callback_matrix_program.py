"""Closes, replaces or runs a nested loop from inside every callback of the engine; run by test_callback_matrix.py.

Usage: python callback_matrix_program.py sole|several [tls]

With "sole" the loop watches the only socket itself; with "several" the poller does. Each case is printed before it
runs, so the last line names the one that crashed the interpreter. The last line of a complete run is "survived".
"""

import asyncio
import contextlib
import gc
import itertools
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any

import trustme

import sluiceway
from sluiceway._transports.epoll.transport import attach
from sluiceway._transports.make_transport import make_connected

CALLBACKS = (
    "data_received",
    "eof_received",
    "get_buffer",
    "buffer_updated",
    "connection_made",
    "pause_writing",
    "resume_writing",
    "connection_lost",
    "step",
    "exception_handler",
    "finalizer",
    "class_lookup",
)
ACTIONS = ("close", "abort", "end", "nest", "replace")
ENDINGS = ("returns", "raises")

# More than the kernel takes.
LARGE = bytes(8_000_000)
LISTENER = socket.create_server(("127.0.0.1", 0))


TLS = sys.argv[2:] == ["tls"]
SERVER_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CLIENT_OPTIONS: dict[str, Any] = {}
if TLS:
    AUTHORITY = trustme.CA()
    AUTHORITY.issue_cert("localhost").configure_cert(SERVER_CONTEXT)
    CLIENT_OPTIONS = {"ssl": ssl.create_default_context(), "server_hostname": "localhost"}
    AUTHORITY.configure_trust(CLIENT_OPTIONS["ssl"])


def pair() -> tuple[socket.socket, socket.socket]:
    near = socket.create_connection(LISTENER.getsockname())
    far, _ = LISTENER.accept()
    near.setblocking(False)
    far.setblocking(False)
    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def nothing() -> None:
    """Do nothing."""


def run_nested_iterations(count: int = 6) -> None:
    """Run iterations of the loop from inside one of its callbacks."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    for _ in range(count):
        loop.call_soon(nothing)
        loop._run_once()
    # The outer iteration has counted its handles before, and the nested ones have taken them.
    for _ in range(10):
        loop.call_soon(nothing)
    if task is not None:
        asyncio.tasks._enter_task(loop, task)


def until_done(call: Callable[[], Any]) -> Any:
    """Repeat a call of a non-blocking socket until it succeeds; run the loop between the calls."""
    while True:
        try:
            return call()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            run_nested_iterations(1)


class Case:
    """The action of the callback under test, done once."""

    def __init__(self, callback: str, action: str, ending: str) -> None:
        self.callback, self.action, self.ending = callback, action, ending
        self.transport: Any = None
        self.others: list[socket.socket] = []
        self.acted = False

    def reached(self, callback: str) -> None:
        if callback != self.callback or self.acted:
            return
        self.acted = True
        transport, self.transport = self.transport, None
        if self.action == "close":
            transport.close()
        elif self.action == "abort":
            transport.abort()
        elif self.action == "end":
            # Only the engine's frames refer to the connection; its memory is reused afterwards.
            transport.abort()
            del transport
            run_nested_iterations()
            gc.collect()
            _ = [bytearray(size) for size in range(200, 400) for _ in range(4)]
        elif self.action == "nest":
            transport.write(b"from inside")
            for other in self.others:
                other.send(b"!")
            del transport
            run_nested_iterations()
        else:
            transport.set_protocol(asyncio.Protocol())
            del transport
            gc.collect()
        if self.ending == "raises":
            raise ValueError("from the callback")


class Finalizer:
    """Reaches the case when the collector finds it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.cycle = self

    def __del__(self) -> None:
        self.case.reached("finalizer")


class Plain(asyncio.Protocol):
    def __init__(self, case: Case) -> None:
        self.case = case

    def connection_made(self, transport: Any) -> None:
        self.case.transport = transport
        self.case.reached("connection_made")

    def data_received(self, data: bytes) -> None:
        if self.case.callback == "finalizer":
            Finalizer(self.case)
        if self.case.callback == "exception_handler":
            raise LookupError("for the exception handler")
        self.case.reached("data_received")

    def eof_received(self) -> None:
        self.case.reached("eof_received")

    def pause_writing(self) -> None:
        self.case.reached("pause_writing")

    def resume_writing(self) -> None:
        self.case.reached("resume_writing")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.case.reached("connection_lost")


class Disguised(Plain):
    """isinstance() looks up the class of the object, where its type does not answer already."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        self.case.reached("class_lookup")
        return Plain

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise TypeError


class Buffered(asyncio.BufferedProtocol):
    def __init__(self, case: Case) -> None:
        self.case = case

    def connection_made(self, transport: Any) -> None:
        self.case.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        self.case.reached("get_buffer")
        return bytearray(100)

    def buffer_updated(self, nbytes: int) -> None:
        self.case.reached("buffer_updated")


class Echo(asyncio.Protocol):
    """Protocol of the other connections, which must stay usable."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def cause(case: Case, far: socket.socket) -> None:
    """Have the engine call the callback of ``case``."""
    if case.callback == "eof_received":
        if isinstance(far, ssl.SSLSocket):
            # close_notify is sent, and the peer's has not arrived.
            with contextlib.suppress(ssl.SSLWantReadError):
                far.unwrap()
        else:
            far.shutdown(socket.SHUT_WR)
    elif case.callback == "connection_lost":
        case.transport.abort()
    elif case.callback in ("pause_writing", "resume_writing"):
        case.transport.write(LARGE)
        run_nested_iterations(1)
        while not case.acted:
            until_done(lambda: far.recv(1 << 20))
    elif not case.acted:
        far.send(b"data")
    run_nested_iterations()


def accepted(far: socket.socket) -> socket.socket:
    """The peer's end, after the handshake where there is TLS."""
    if not TLS:
        return far
    encrypted = SERVER_CONTEXT.wrap_socket(far, server_side=True, do_handshake_on_connect=False)
    until_done(encrypted.do_handshake)
    return encrypted


def run_step(case: Case, near: socket.socket, far: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    async def handle() -> None:
        reader, writer = await sluiceway.open_connection(sock=near, **CLIENT_OPTIONS)
        case.transport = writer.transport
        await reader.readexactly(4)
        del reader, writer
        case.reached("step")

    task = loop.create_task(handle())
    far = accepted(far)
    while case.transport is None:
        run_nested_iterations(1)
    run_nested_iterations(2)
    far.send(b"data")
    while not task.done():
        run_nested_iterations(1)
    assert (task.exception() is None) == (case.ending == "returns")


def run(case: Case, others: list[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    case.others = others
    loop.set_exception_handler(lambda _loop, _context: case.reached("exception_handler"))
    near, far = pair()
    if case.callback == "step":
        run_step(case, near, far)
        far.close()
    else:
        kinds: dict[str, Callable[[Case], Any]] = {
            "get_buffer": Buffered,
            "buffer_updated": Buffered,
            "class_lookup": Disguised,
        }
        protocol = kinds.get(case.callback, Plain)(case)
        if TLS:
            connecting = loop.create_task(make_connected(loop, near, protocol, **CLIENT_OPTIONS))
            far = accepted(far)
            while not connecting.done():
                run_nested_iterations(1)
            # The connection may have ended in connection_made.
            connecting.exception()
            del connecting
        else:
            attach(loop, near, protocol)
        del near, protocol
        # The engine reports what the callback raises.
        cause(case, far)
    run_nested_iterations()
    gc.collect()
    run_nested_iterations()
    assert case.acted, "the callback was not reached"
    if case.transport is not None:
        case.transport.abort()
        case.transport = None
    far.close()
    run_nested_iterations()
    for other in others:
        while True:
            # What the case sent has been echoed.
            try:
                other.recv(100)
            except BlockingIOError:
                break
        other.send(b"?")
        run_nested_iterations(2)
        assert other.recv(100) == b"?"


def main(sockets: str) -> None:
    loop = asyncio.SelectorEventLoop()
    asyncio._set_running_loop(loop)
    others = []
    if sockets == "several":
        for _ in range(2):
            near, far = pair()
            attach(loop, near, Echo())
            others.append(far)
        del near
    gc.collect()
    gc.freeze()
    gc.set_threshold(1)
    sys.unraisablehook = lambda unraisable: None
    for callback, action, ending in itertools.product(CALLBACKS, ACTIONS, ENDINGS):
        print(callback, action, ending, flush=True)
        run(Case(callback, action, ending), others)
    print("survived")


if __name__ == "__main__":
    main(sys.argv[1])
