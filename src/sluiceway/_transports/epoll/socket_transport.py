"""SocketTransport: the asyncio.Transport that programs see of a socket on the poller."""

from __future__ import annotations

import asyncio
import socket
from asyncio import constants, transports, trsock
from collections.abc import Callable
from typing import Any

from .poller import poller_of
from .stream_socket import SocketCore

_NOT_ASKED: Any = object()


def _name_of(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except OSError:
        return None


class SocketTransport(transports._FlowControlMixin, transports.Transport):
    """A stream socket on sluiceway's poller. ``loop.start_tls`` and ``loop.sendfile`` take it on asyncio's loop."""

    __slots__ = ("__weakref__", "_peername", "_ps_sink", "_socket", "_sockname")

    # Marks of asyncio's own transports, for the functions of the loop.
    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK
    _has_ps_sink = True

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, core: SocketCore, peer: Any) -> None:
        self._loop = loop
        self._socket = sock
        self._ps_sink = core
        # A peer that resets takes its name with it.
        self._peername = peer or _name_of(sock.getpeername)
        self._sockname: Any = _NOT_ASKED

    def __repr__(self) -> str:
        fd = self._socket.fileno()
        state = "closed" if fd < 0 else f"{'closing ' if self._ps_sink.is_closing() else ''}fd={fd}"
        return f"<{type(self).__name__} {state} write_buffer_size={self.get_write_buffer_size()}>"

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket":
            # Whoever asks for it may write to it.
            self._ps_sink.uncork()
            return trsock.TransportSocket(self._socket)
        if name == "peername":
            return self._peername
        if name == "sockname":
            self._remember_sockname()
            return self._sockname
        return default

    def _remember_sockname(self) -> None:
        # Most programs never ask, and to ask is a system call: done at the end at the latest.
        if self._sockname is _NOT_ASKED:
            self._sockname = _name_of(self._socket.getsockname)

    @property
    def _protocol_paused(self) -> bool:
        return self._ps_sink.writing_paused

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._ps_sink.set_protocol(protocol)

    def get_protocol(self) -> Any:
        return self._ps_sink.get_protocol()

    def is_closing(self) -> bool:
        return self._ps_sink.is_closing()

    def close(self) -> None:
        self._ps_sink.close()

    def abort(self) -> None:
        self._ps_sink.abort()

    def _force_close(self, error: BaseException | None) -> None:
        self._ps_sink.force_close(error)

    def pause_reading(self) -> None:
        self._ps_sink.pause_reading()

    def resume_reading(self) -> None:
        self._ps_sink.resume_reading()

    def is_reading(self) -> bool:
        return self._ps_sink.is_reading()

    def write(self, data: Any) -> None:
        self._ps_sink.write(data)

    def writelines(self, list_of_data: Any) -> None:
        self._ps_sink.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self._ps_sink.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._ps_sink.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._ps_sink.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        return self._ps_sink.get_write_buffer_size()


def attach(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.BaseProtocol, peer: Any = None
) -> SocketTransport:
    """Make the transport of a connected, non-blocking socket, tell ``protocol``, and begin to receive.

    ``peer`` is the address of the other end where it is known already.
    """
    try:
        core = SocketCore(loop, sock, protocol)
    except BaseException:
        sock.close()
        raise
    transport = SocketTransport(loop, sock, core, peer)
    core.start(transport)
    return transport


def can_serve(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether ``loop`` can watch the engine's descriptor; found out once."""
    poller: Any = poller_of(loop)
    if poller.usable is None:
        try:
            poller.prepare()
            poller.usable = True
        except NotImplementedError:
            poller.usable = False
    return bool(poller.usable)
