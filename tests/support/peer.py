"""A peer made of blocking sockets, so that a test decides every chunk, pause, half-close and reset.

The fixture ``peer`` makes peers and closes them all when the test's loop is closed. Two ways to use it:

**By hand.** On loopback a connect, an accept of someone who has connected, and a send that fits the kernel's buffer
never block, so an async test calls them straight from its coroutine; what has to wait for the loop goes through
``in_thread``::

    listener = peer.listen()
    reader, writer = await streams.open_connection(*listener.address)
    wire = listener.accept()
    wire.send(b"ab")                          # one chunk, in the kernel when send returns
    assert await reader.readexactly(1) == b"a"
    writer.write(b"hello")
    assert await wire.in_thread(wire.receive, 5) == b"hello"
    wire.reset()

    wire = peer.connect(address)              # the same end, as a client

**By script.** A function of the wire runs in a thread; ``wire.wait(name)`` stops it until the test calls
``script.go(name)``, ``wire.tell(name)`` lets the test's ``await script.reached(name)`` go on; both are counted::

    def answer(wire):
        assert wire.receive(4) == b"ping"
        wire.wait("pong")
        wire.send(b"po", b"ng")               # one send() each; the kernel may still join them

    script = peer.serve(answer)
    reader, writer = await streams.open_connection(*script.address)
    script.go("pong")
    await script.finished()                   # what the script returned, or its exception

Addresses are what ``open_connection(*address)`` and ``socket.connect(address)`` take; a str is a Unix path.
Every blocking call gives up after PATIENCE seconds.
"""

import asyncio
import concurrent.futures
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import patience

Address = tuple[str, int] | str

# Seconds until a blocking call of a peer gives up, so that a broken test fails and never hangs.
PATIENCE = 10.0 * patience.FACTOR


class Signal:
    """Tokens given by one thread and taken by another, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = 0
        self._takers: list[concurrent.futures.Future[None]] = []

    def give(self) -> None:
        with self._lock:
            while self._takers:
                taker = self._takers.pop(0)
                if taker.set_running_or_notify_cancel():
                    taker.set_result(None)
                    return
            self._tokens += 1

    def take(self) -> concurrent.futures.Future[None]:
        taker: concurrent.futures.Future[None] = concurrent.futures.Future()
        with self._lock:
            if self._tokens:
                self._tokens -= 1
                taker.set_result(None)
            else:
                self._takers.append(taker)
        return taker


class Signals:
    """Signals by name, made when first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signals: dict[str, Signal] = {}

    def __getitem__(self, name: str) -> Signal:
        with self._lock:
            return self._signals.setdefault(name, Signal())

    def __iter__(self) -> Iterator[str]:
        return iter(self._signals)


class Wire:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self._going = Signals()
        self._told = Signals()

    def send(self, *chunks: bytes) -> None:
        """Send each chunk by a call of its own, without Nagle's delay between them."""
        if self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for chunk in chunks:
            self.sock.sendall(chunk)

    def receive(self, count: int) -> bytes:
        """Return exactly ``count`` bytes; EOFError if the other side ends before."""
        parts = bytearray()
        while len(parts) < count:
            part = self.sock.recv(count - len(parts))
            if not part:
                raise EOFError(f"the other side ended after {len(parts)} of {count} bytes: {bytes(parts[-80:])!r}")
            parts += part
        return bytes(parts)

    def receive_rest(self) -> bytes:
        """Return everything up to the other side's end."""
        parts = bytearray()
        while part := self.sock.recv(1 << 16):
            parts += part
        return bytes(parts)

    def half_close(self) -> None:
        """Send FIN; receiving goes on."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST: the other side's next read or write fails. (A Unix socket has no RST and just closes.)"""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close as a program that exits does: FIN, or RST if received bytes are unread; no TLS farewell."""
        self.sock.close()

    def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool = False, server_hostname: str | None = None
    ) -> None:
        """Shake hands; what follows is encrypted. Waits for the other side: for scripts and in_thread."""
        self.sock = context.wrap_socket(self.sock, server_side=server_side, server_hostname=server_hostname)

    def farewell(self) -> None:
        """Send close_notify, wait for the other side's, and go on without TLS."""
        assert isinstance(self.sock, ssl.SSLSocket)
        self.sock = self.sock.unwrap()

    def wait(self, name: str = "go") -> None:
        """In a script: stop until the test calls ``go(name)``, once per call."""
        self._going[name].take().result(PATIENCE)

    def tell(self, name: str = "here") -> None:
        """In a script: let one ``reached(name)`` of the test go on."""
        self._told[name].give()

    async def in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call something that blocks (``wire.receive``, …) while the loop runs on."""
        return await asyncio.to_thread(call, *arguments)


class Script:
    """A function of a wire, running in a thread of its own."""

    def __init__(self, address: Address, open_wire: Callable[[], Wire], body: Callable[[Wire], Any]) -> None:
        self.address = address
        self._going = Signals()
        self._told = Signals()
        self._result: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._seen = False
        self._thread = threading.Thread(
            target=self._run, args=(open_wire, body), name=f"peer {getattr(body, '__name__', body)}"
        )
        self._thread.start()

    def _run(self, open_wire: Callable[[], Wire], body: Callable[[Wire], Any]) -> None:
        try:
            wire = open_wire()
            wire._going, wire._told = self._going, self._told
            try:
                result = body(wire)
            finally:
                wire.close()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test gets it from finished()
            self._result.set_exception(error)
        else:
            self._result.set_result(result)

    def go(self, name: str = "go") -> None:
        """Let one ``wire.wait(name)`` of the script go on, now or when it comes."""
        self._going[name].give()

    def release(self) -> None:
        """Let every wait of the script that is under way go on: a test that has failed need not wait for it."""
        for name in list(self._going):
            self.go(name)

    async def reached(self, name: str = "here") -> None:
        """Wait until the script has called ``wire.tell(name)``, once per call."""
        await asyncio.wrap_future(self._told[name].take())

    async def finished(self) -> Any:
        """Wait for the script's end; return what it returned or raise what it raised."""
        self._seen = True
        return await asyncio.shield(asyncio.wrap_future(self._result))

    def _end(self) -> None:
        self._thread.join(2 * PATIENCE)
        if not self._seen and self._result.done() and (error := self._result.exception()) is not None:
            raise error


class Listener:
    """A listening socket; who connects waits in the kernel until ``accept``."""

    def __init__(self, sock: socket.socket, keep: contextlib.ExitStack) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self._keep = keep
        name = sock.getsockname()
        self.address: Address = name if isinstance(name, str) else name[:2]

    @property
    def port(self) -> int:
        assert not isinstance(self.address, str)
        return self.address[1]

    def accept(self) -> Wire:
        """Return the next connection; at once if somebody has connected already."""
        wire = Wire(self.sock.accept()[0])
        self._keep.callback(wire.close)
        return wire

    def close(self) -> None:
        """Stop listening: who connects from now on is refused."""
        self.sock.close()


class Peers:
    """Makes peers, and closes what they still hold at the end."""

    def __init__(self, keep: contextlib.ExitStack) -> None:
        self._keep = keep

    def listen(self, host: str = "127.0.0.1", *, unix: str | None = None, backlog: int = 100) -> Listener:
        """Listen on a free port of ``host``, or on the path ``unix``."""
        if unix is None:
            sock = socket.create_server((host, 0), family=_family((host, 0)), backlog=backlog)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(unix)
            sock.listen(backlog)
        self._keep.callback(sock.close)
        return Listener(sock, self._keep)

    def connect(self, address: Address, *, receive_buffer: int | None = None) -> Wire:
        """Connect by hand. ``receive_buffer``: bytes for the kernel, which doubles them; a small one clogs soon."""
        wire = _connected(address, receive_buffer)
        self._keep.callback(wire.close)
        return wire

    def serve(self, body: Callable[[Wire], Any], host: str = "127.0.0.1", *, unix: str | None = None) -> Script:
        """Listen, accept one connection in a thread and run ``body`` on it."""
        listener = self.listen(host, unix=unix)
        return self._script(listener.address, lambda: Wire(listener.sock.accept()[0]), body)

    def visit(self, address: Address, body: Callable[[Wire], Any]) -> Script:
        """Connect in a thread and run ``body`` on the connection."""
        return self._script(address, lambda: _connected(address, None), body)

    def _script(self, address: Address, open_wire: Callable[[], Wire], body: Callable[[Wire], Any]) -> Script:
        script = Script(address, open_wire, body)
        self._keep.callback(script._end)
        return script


def _family(address: Address) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _connected(address: Address, receive_buffer: int | None) -> Wire:
    sock = socket.socket(_family(address))
    try:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return Wire(sock)


@pytest.fixture
def peer(at_end: contextlib.ExitStack) -> Peers:
    return Peers(at_end)
