# cython: nonecheck=True
"""ProtocolOperations: the methods by which a transport pauses writing, and reports its close, to a stream protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .raw_transport import RawTransportProvider
from .receive_interface import ReceiverProvider
from .write_flow_control import WriteFlowControl

if TYPE_CHECKING:
    import asyncio


def flow_of(protocol: ProtocolOperations) -> WriteFlowControl:
    connection: Any = protocol._sluiceway
    flow: WriteFlowControl = connection.flow
    return flow


def flow_to_assign(protocol: ProtocolOperations) -> WriteFlowControl:
    """Return the flow control for the assignment of a private attribute, which may precede ``__init__``.

    Some classes of programs assign such attributes before the call of ``__init__``, or instead of it.
    """
    if not protocol._sluiceway_started():
        protocol._sluiceway_begin()
    return flow_of(protocol)


class ProtocolOperations(ReceiverProvider):
    """The base class of the public protocols. A Connection has their state; asyncio's private names access it."""

    def _sluiceway_started(self) -> bool:
        """Return True after ``__init__``. A program may assign private attributes before, or leave it out."""
        try:
            return self._sluiceway is not None
        except AttributeError:
            # The pure core; the attribute is None in the compiled one.
            return False

    def _sluiceway_begin(self) -> None:
        """Give a protocol whose ``__init__`` was not called its state. FlowControlMixin overrides the method."""
        raise NotImplementedError

    def _sluiceway_truncated(self, error: BaseException) -> None:
        """Called by a TLS transport if the peer has ended its direction without a close_notify alert.

        The call of eof_received() follows, or with ``strict_eof`` that of connection_lost(error). Do nothing here;
        StreamReaderProtocol overrides the method.
        """

    def _sluiceway_closing(self, seconds: float | None = None) -> None:
        """Called by a transport that starts to close and may have unsent data. Start the close timeout.

        ``seconds``: a shorter timeout, or None; see ClosingState.bound_close.
        """
        connection: Any = self._sluiceway
        connection.bound_close(seconds)

    def _sluiceway_detached(self, transport: Any) -> None:
        """Called by the engine's transport after its protocol was replaced, or the program has taken over its socket.

        ``transport`` may then end without a call of this protocol's connection_lost(). Therefore the ServerConnection
        of an accepted connection watches ``transport``.
        """
        connection: Any = self._sluiceway
        owner = connection.owner
        if owner is not None and not connection.lost:
            owner.watch(transport, connection)

    def pause_writing(self) -> None:
        """Called by the transport when its write buffer exceeds the high-water mark. drain() waits after this call."""
        flow_of(self).pause()
        connection: Any = self._sluiceway
        if not isinstance(connection.transport, RawTransportProvider):
            # A transport of the loop does not report when it starts to close, for example by its method close().
            connection.bound_close()

    def resume_writing(self) -> None:
        """Called by the transport when its write buffer has shrunk to the low-water mark. Wake the calls of drain()."""
        flow_of(self).resume()

    async def _drain_helper(self) -> None:
        await flow_of(self).wait(self._sluiceway)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return flow_of(self).loop

    @_loop.setter
    def _loop(self, loop: asyncio.AbstractEventLoop) -> None:
        flow_to_assign(self).loop = loop
        connection: Any = self._sluiceway
        if connection.loop is None:
            # Assigned instead of ``__init__``, outside the loop.
            connection.loop = loop

    @property
    def _paused(self) -> bool:
        return flow_of(self).paused

    @_paused.setter
    def _paused(self, paused: bool) -> None:
        flow_to_assign(self).paused = paused

    @property
    def _connection_lost(self) -> bool:
        return flow_of(self).lost

    @_connection_lost.setter
    def _connection_lost(self, lost: bool) -> None:
        flow_to_assign(self).lost = lost

    @property
    def _drain_waiters(self) -> list[asyncio.Future[None]] | None:
        waiters = flow_of(self).waiters
        return None if waiters is None else list(waiters)

    @_drain_waiters.setter
    def _drain_waiters(self, waiters: object) -> None:
        # Programs assign an empty collection in ``__init__``, as asyncio does.
        flow_to_assign(self)
