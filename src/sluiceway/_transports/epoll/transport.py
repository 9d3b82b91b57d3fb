"""SocketTransport: the asyncio.Transport of one socket that the engine carries, and attach(), which creates it."""

from __future__ import annotations

import asyncio
import socket
from asyncio import transports
from typing import TYPE_CHECKING, Any

from ..loop_start_tls import extend_start_tls
from .listening_socket import AcceptedSocket, ListeningSocket, can_accept
from .poller import poller_of
from .private_attributes import PrivateAttributes
from .sendfile_attributes import SendfileAttributes
from .stream_socket import StreamSocket
from .transport_socket import TransportSocket

if TYPE_CHECKING:
    from ..._core import RawTransportProvider, joined
else:
    from ..._core_c import RawTransportProvider, joined

# The value of _peername after a program has accessed _extra, whose dict then contains the address.
_IN_EXTRA: Any = object()
# The slot of asyncio's base class for that dict.
_extra_slot: Any = transports.BaseTransport.__dict__["_extra"]


def _peer_of(sock: socket.socket) -> Any:
    try:
        return sock.getpeername()
    except OSError:
        return None


class SocketTransport(
    RawTransportProvider, PrivateAttributes, SendfileAttributes, transports._FlowControlMixin, transports.Transport
):
    """The asyncio.Transport of one stream socket of the engine. Forwards its calls to ``raw``, the StreamSocket.

    ``loop.start_tls`` accepts this transport, and ``loop.sendfile`` of asyncio's loop does.
    """

    __slots__ = ("__weakref__", "_peername", "raw")

    # A private attribute of asyncio's own transports, which loop.start_tls() checks.
    _start_tls_compatible = True

    def __init__(self, loop: asyncio.AbstractEventLoop, raw: StreamSocket, peer: Any) -> None:
        self._loop = loop
        self.raw = raw
        self._peername = peer

    def __repr__(self) -> str:
        fd = self.raw.fileno()
        state = "closed" if fd < 0 else f"{'closing ' if self.raw.is_closing() else ''}fd={fd}"
        return f"<{type(self).__name__} {state} write_buffer_size={self.get_write_buffer_size()}>"

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "peername" and self._peername is not _IN_EXTRA:
            return self._peername
        if self._peername is _IN_EXTRA:
            return self._extra.get(name, default)
        if name == "socket":
            return TransportSocket(self.raw.socket(), self.raw)
        if name == "sockname":
            return self.raw.getsockname()
        return default

    @property
    def _extra(self) -> dict[str, Any]:
        """A dict of all values of get_extra_info(), created at the first access.

        From then on get_extra_info() reads the dict, so a program can change a value.
        """
        if self._peername is not _IN_EXTRA:
            self._extra = {name: self.get_extra_info(name) for name in ("socket", "sockname", "peername")}
        extra: dict[str, Any] = _extra_slot.__get__(self)
        return extra

    @_extra.setter
    def _extra(self, extra: dict[str, Any]) -> None:
        _extra_slot.__set__(self, extra)
        self._peername = _IN_EXTRA

    def discarded_size(self) -> int:
        return self.raw.queue.discarded

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.raw.set_protocol(protocol)

    def get_protocol(self) -> Any:
        return self.raw.get_protocol()

    def is_closing(self) -> bool:
        return self.raw.is_closing()

    def close(self) -> None:
        self.raw.close()

    def abort(self) -> None:
        self.raw.abort()

    def _force_close(self, error: BaseException | None) -> None:
        self.raw.force_close(error)

    def pause_reading(self) -> None:
        self.raw.pause_reading()

    def resume_reading(self) -> None:
        self.raw.resume_reading()

    def is_reading(self) -> bool:
        return self.raw.is_reading()

    def write(self, data: Any) -> None:
        self.raw.write(data)

    def writelines(self, list_of_data: Any) -> None:
        self.raw.write(joined(list_of_data))

    def write_eof(self) -> None:
        self.raw.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.raw.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self.raw.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        return self.raw.get_write_buffer_size()


def attach(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket | AcceptedSocket,
    protocol: asyncio.BaseProtocol,
    peer: Any = None,
    *,
    shared: bool = False,
) -> SocketTransport:
    """Create the transport of ``sock``, watch the socket, call connection_made() of ``protocol``; return the transport.

    ``sock`` must be connected and non-blocking. ``peer``: the address of the peer; if it is None, that of a socket
    object is read. ``shared``: True if the program may use the socket as well.

    The function raises an exception of connection_made() if it is a SystemExit or KeyboardInterrupt, or if ``protocol``
    is a protocol of the package. Otherwise the exception goes to the loop's exception handler.

    Raises:
        RuntimeError: on an asyncio loop, a shared socket has a transport already. The socket stays open.
        OSError: no descriptor is left for the engine. A shared socket stays open.
        Exception: any other error. The socket is closed, unless it is shared and was not used yet.
    """
    if shared and poller_of(loop).of_asyncio:
        # As in asyncio.
        loop._ensure_fd_no_transport(sock)  # type: ignore[attr-defined]
    raw = None
    try:
        if peer is None and not isinstance(sock, AcceptedSocket):
            # Stored now, because the kernel does not return the address after a reset.
            peer = _peer_of(sock)
        raw = StreamSocket(loop, sock, protocol, shared)
        transport = SocketTransport(loop, raw, peer)
        raw.start(transport)
    except BaseException:
        if raw is not None:
            raw.discard()
        if raw is not None or not shared:
            sock.close()
        raise
    return transport


def can_serve(loop: asyncio.AbstractEventLoop) -> bool:
    """Return True if ``loop`` accepts the attribute for its poller, and can watch the poller's descriptor.

    The first call for a loop tests this. If no descriptor is left, the call raises OSError, and the next call tests
    again.
    """
    if not type(loop).__dictoffset__:
        # rsloop: a poller cannot be stored there. The test does not read ``loop.__dict__``, which would create the
        # dict: Python 3.11 and 3.12 then read every attribute of the loop slowly.
        return False
    try:
        poller: Any = poller_of(loop)
    except (AttributeError, TypeError):
        # __setattr__() of the loop refuses attributes that the loop does not know.
        return False
    if poller.usable is None:
        try:
            poller.prepare()
            extend_start_tls(loop)
            poller.usable = True
        except NotImplementedError:
            poller.usable = False
    return bool(poller.usable)


def accept_source(listener: socket.socket) -> ListeningSocket | None:
    """Return a ListeningSocket, whose accept() returns an AcceptedSocket and the address of the peer.

    Return None if only accept() of ``listener`` itself can be used.
    """
    return ListeningSocket(listener) if can_accept(listener) else None
