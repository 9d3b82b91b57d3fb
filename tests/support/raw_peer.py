"""A peer with blocking sockets: the test decides every chunk, pause, half-close and reset.

The fixture ``raw_peers`` makes peers, and closes all of them after the test's loop is closed. There are two ways to
use it:

**From the test.** On loopback, a connect, an accept of an established connection, and a send that fits the kernel's
buffer never block, so an async test calls them directly. A call that must wait for the loop uses
``in_thread``::

    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    peer.send(b"ab")                          # one chunk, in the kernel when send returns
    assert await reader.readexactly(1) == b"a"
    writer.write(b"hello")
    assert await peer.in_thread(peer.receive, 5) == b"hello"
    peer.reset()

    peer = raw_peers.connect(address)         # the same, as a client

**As a script.** A function of the peer runs in a thread. ``peer.wait_for(name)`` blocks it until the test calls
``script.signal(name)``; ``await script.wait_for(name)`` blocks the test until the script calls ``peer.signal(name)``.
Signals are counted::

    def answer(peer):
        assert peer.receive(4) == b"ping"
        peer.wait_for("pong")
        peer.send(b"po", b"ng")               # one send() each; the kernel may still join them

    script = raw_peers.serve(answer)
    reader, writer = await streams.open_connection(*script.address)
    script.signal("pong")
    await script.finished()                   # what the script returned, or its exception

Addresses are what ``open_connection(*address)`` and ``socket.connect(address)`` take; a str is a Unix path.
Every blocking call times out after PEER_TIMEOUT seconds.
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

from support.timeouts import PEER_TIMEOUT

Address = tuple[str, int] | str


class CountedSignal:
    """A counting semaphore between two threads; the waiting side gets a future."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._waiters: list[concurrent.futures.Future[None]] = []

    def release(self) -> None:
        with self._lock:
            while self._waiters:
                waiter = self._waiters.pop(0)
                if waiter.set_running_or_notify_cancel():
                    waiter.set_result(None)
                    return
            self._count += 1

    def acquire(self) -> concurrent.futures.Future[None]:
        waiter: concurrent.futures.Future[None] = concurrent.futures.Future()
        with self._lock:
            if self._count:
                self._count -= 1
                waiter.set_result(None)
            else:
                self._waiters.append(waiter)
        return waiter


class NamedSignals:
    """Signals by name, made at first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._signals: dict[str, CountedSignal] = {}

    def __getitem__(self, name: str) -> CountedSignal:
        with self._lock:
            return self._signals.setdefault(name, CountedSignal())

    def __iter__(self) -> Iterator[str]:
        return iter(self._signals)


class RawPeer:
    """One side of a connection, with a blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PEER_TIMEOUT)
        self.sock = sock
        self._from_test = NamedSignals()
        self._from_script = NamedSignals()

    def send(self, *chunks: bytes) -> None:
        """Send each chunk by a separate call, without Nagle's delay between them."""
        if self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for chunk in chunks:
            self.sock.sendall(chunk)

    def receive(self, count: int) -> bytes:
        """Return exactly ``count`` bytes; EOFError if the connection ends before."""
        parts = bytearray()
        while len(parts) < count:
            part = self.sock.recv(count - len(parts))
            if not part:
                raise EOFError(f"the connection ended after {len(parts)} of {count} bytes: {bytes(parts[-80:])!r}")
            parts += part
        return bytes(parts)

    def receive_rest(self) -> bytes:
        """Return everything up to the end of input."""
        parts = bytearray()
        while part := self.sock.recv(1 << 16):
            parts += part
        return bytes(parts)

    def half_close(self) -> None:
        """Send FIN; receiving stays possible."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST: the next read or write of the connection fails. (A Unix socket only closes.)"""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close as a program that exits does: FIN, or RST if received bytes are unread; no close_notify."""
        self.sock.close()

    def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool = False, server_hostname: str | None = None
    ) -> None:
        """Do the handshake; later data is encrypted. Blocks: for scripts and in_thread."""
        self.sock = context.wrap_socket(self.sock, server_side=server_side, server_hostname=server_hostname)

    def unwrap_tls(self) -> None:
        """Send close_notify, wait for that of the connection, and continue without TLS."""
        assert isinstance(self.sock, ssl.SSLSocket)
        self.sock = self.sock.unwrap()

    def wait_for(self, name: str = "go") -> None:
        """In a script: block until the test calls ``signal(name)``, once per call."""
        self._from_test[name].acquire().result(PEER_TIMEOUT)

    def signal(self, name: str = "here") -> None:
        """In a script: complete one ``wait_for(name)`` of the test."""
        self._from_script[name].release()

    async def in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run a blocking call (``peer.receive``, …) in a thread while the loop runs."""
        return await asyncio.to_thread(call, *arguments)


class PeerScript:
    """A function of a peer that runs in its own thread."""

    def __init__(self, address: Address, open_peer: Callable[[], RawPeer], body: Callable[[RawPeer], Any]) -> None:
        self.address = address
        self._from_test = NamedSignals()
        self._from_script = NamedSignals()
        self._result: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._result_requested = False
        self._thread = threading.Thread(
            target=self._run, args=(open_peer, body), name=f"peer {getattr(body, '__name__', body)}"
        )
        self._thread.start()

    def _run(self, open_peer: Callable[[], RawPeer], body: Callable[[RawPeer], Any]) -> None:
        try:
            peer = open_peer()
            peer._from_test, peer._from_script = self._from_test, self._from_script
            try:
                result = body(peer)
            finally:
                peer.close()
        except BaseException as error:  # noqa: BLE001 - finished() raises it in the test
            self._result.set_exception(error)
        else:
            self._result.set_result(result)

    def signal(self, name: str = "go") -> None:
        """Complete one ``peer.wait_for(name)`` of the script, now or when the script calls it."""
        self._from_test[name].release()

    def release(self) -> None:
        """Complete every pending wait of the script, so that a failed test does not wait for it."""
        for name in list(self._from_test):
            self.signal(name)

    async def wait_for(self, name: str = "here") -> None:
        """Wait until the script has called ``peer.signal(name)``, once per call."""
        await asyncio.wrap_future(self._from_script[name].acquire())

    async def finished(self) -> Any:
        """Wait for the script's end; return what it returned or raise what it raised."""
        self._result_requested = True
        return await asyncio.shield(asyncio.wrap_future(self._result))

    def _end(self) -> None:
        self._thread.join(2 * PEER_TIMEOUT)
        if not self._result_requested and self._result.done() and (error := self._result.exception()) is not None:
            raise error


class RawListener:
    """A listening socket; connections wait in the kernel until ``accept``."""

    def __init__(self, sock: socket.socket, cleanup: contextlib.ExitStack) -> None:
        sock.settimeout(PEER_TIMEOUT)
        self.sock = sock
        self._cleanup = cleanup
        name = sock.getsockname()
        self.address: Address = name if isinstance(name, str) else name[:2]

    @property
    def port(self) -> int:
        assert not isinstance(self.address, str)
        return self.address[1]

    def accept(self) -> RawPeer:
        """Return the next connection; immediately if one is already established."""
        peer = RawPeer(self.sock.accept()[0])
        self._cleanup.callback(peer.close)
        return peer

    def close(self) -> None:
        """Stop listening: later connection attempts are refused."""
        self.sock.close()


class RawPeers:
    """Makes peers, and closes their sockets at the end."""

    def __init__(self, cleanup: contextlib.ExitStack) -> None:
        self._cleanup = cleanup

    def listen(self, host: str = "127.0.0.1", *, unix: str | None = None, backlog: int = 100) -> RawListener:
        """Listen on a free port of ``host``, or on the path ``unix``."""
        if unix is None:
            sock = socket.create_server((host, 0), family=_family((host, 0)), backlog=backlog)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(unix)
            sock.listen(backlog)
        self._cleanup.callback(sock.close)
        return RawListener(sock, self._cleanup)

    def connect(self, address: Address, *, receive_buffer: int | None = None) -> RawPeer:
        """Connect from the test. ``receive_buffer`` is SO_RCVBUF in bytes; a small one fills soon."""
        peer = _connected(address, receive_buffer)
        self._cleanup.callback(peer.close)
        return peer

    def serve(self, body: Callable[[RawPeer], Any], host: str = "127.0.0.1", *, unix: str | None = None) -> PeerScript:
        """Listen, accept one connection in a thread and run ``body`` on it."""
        listener = self.listen(host, unix=unix)
        return self._script(listener.address, lambda: RawPeer(listener.sock.accept()[0]), body)

    def run_client(self, address: Address, body: Callable[[RawPeer], Any]) -> PeerScript:
        """Connect in a thread and run ``body`` on the connection."""
        return self._script(address, lambda: _connected(address, None), body)

    def _script(self, address: Address, open_peer: Callable[[], RawPeer], body: Callable[[RawPeer], Any]) -> PeerScript:
        script = PeerScript(address, open_peer, body)
        self._cleanup.callback(script._end)
        return script


def _family(address: Address) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _connected(address: Address, receive_buffer: int | None) -> RawPeer:
    sock = socket.socket(_family(address))
    try:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PEER_TIMEOUT)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return RawPeer(sock)


@pytest.fixture
def raw_peers(cleanup: contextlib.ExitStack) -> RawPeers:
    return RawPeers(cleanup)
