"""LoopAdapter: the protocol between an event loop's own transport and a StreamReaderProtocol.

A loop's transport passes up to 256 KiB at a time to the method data_received() of an asyncio.Protocol, even if the
reader has less room. An asyncio.BufferedProtocol provides the memory, and so decides how many bytes are received. The
LoopAdapter is a BufferedProtocol for this reason (contract R3, docs/explanation/contracts.md). StreamReaderProtocol
itself cannot be one, because uvloop treats an object that is both kinds of protocol as an asyncio.Protocol.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from asyncio import SelectorEventLoop
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterable
from typing import Any

from .._constants import MINIMUM_RECEIVE, SCRATCH_SIZE, STEPPER_ATTRIBUTE
from .._implementation import core
from .fork_hooks import leave_closed_loops, register_stepper
from .protocol_calls import finish_lost_soon

# The methods with which a loop of asyncio creates the transport of a connected socket.
TRANSPORT_METHODS = ("_create_connection_transport", "_make_socket_transport")
# The methods that the package calls for the transport of a socket.
_CONNECTION_METHODS = ("create_connection", "create_unix_connection", "connect_accepted_socket")
# Slots of an adapter. An assignment would go to the protocol.
_set = object.__setattr__
# For each loop the receive buffer that its connections share, and whether its transports deliver at once.
_scratches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, bool]] = weakref.WeakKeyDictionary()


def keeps_methods_of_asyncio(loop: Any, names: Iterable[str]) -> bool:
    """Return True if ``loop`` is a selector loop of asyncio that overrides none of the methods ``names``."""
    return isinstance(loop, BaseSelectorEventLoop) and _keeps_methods(loop, SelectorEventLoop, names)


def _keeps_methods(loop: Any, base: type, names: Iterable[str]) -> bool:
    return all(getattr(getattr(loop, name), "__func__", None) is getattr(base, name) for name in names)


def scratch_of(loop: Any) -> Any:
    """Return the receive buffer that the connections of ``loop`` share. Each uses it for the time of one receive."""
    return _shared_memory(loop)[0]


def own_memory_of(loop: Any) -> Any:
    """Return receive memory for one connection on a transport of ``loop``; None if that needs none of its own.

    The transports of asyncio's selector loops and of uvloop ask for memory when data has arrived, and receive and
    deliver the data at once. Others may ask before, and then wait, as those of gbulb do. Until data arrives, other
    connections receive, a read may begin or be cancelled, and start_tls() may replace the protocol. So the data is
    received into memory of the connection, and is copied when it has arrived.
    """
    return _own_memory(_shared_memory(loop)[1])


def _own_memory(at_once: bool) -> Any:
    return None if at_once else core.Scratch(MINIMUM_RECEIVE * 16)


def _shared_memory(loop: Any) -> tuple[Any, bool]:
    """Return scratch_of(loop), and whether the transports of ``loop`` deliver what they have received at once."""
    try:
        found = _scratches.get(loop)
        if found is None:
            found = _scratches[loop] = core.Scratch(SCRATCH_SIZE), _delivers_at_once(loop)
    except TypeError:
        # The loop has no weak references.
        found = core.Scratch(SCRATCH_SIZE), _delivers_at_once(loop)
    return found


def _delivers_at_once(loop: Any) -> bool:
    for base in type(loop).__mro__:
        if base.__module__ == "uvloop.loop":
            return _keeps_methods(loop, base, _CONNECTION_METHODS)
    return keeps_methods_of_asyncio(loop, (*_CONNECTION_METHODS, *TRANSPORT_METHODS))


def stepper_of(loop: Any) -> Any:
    """Return the Stepper of ``loop``, which runs waiting tasks immediately, or None.

    Return None if the core is pure, or if the loop accepts no attribute. The Stepper is stored as an attribute of the
    loop and not in a WeakKeyDictionary, because the Stepper refers to the loop.
    """
    stepper = getattr(loop, STEPPER_ATTRIBUTE, None)
    if stepper is None:
        stepper = core.new_stepper(loop)
        if stepper is not None:
            # First: after an exception of a signal handler, no later call finds a Stepper that is not registered.
            register_stepper(stepper)
            try:
                setattr(loop, STEPPER_ATTRIBUTE, stepper)
            except (AttributeError, TypeError):
                return None
            leave_closed_loops()
    return stepper


class LoopAdapter(asyncio.BufferedProtocol):
    """The protocol of the loop's transport. Forwards all calls to ``protocol``, except those for received bytes.

    Received bytes go through LoopDelivery to the receiver of ``protocol``. Attributes are read, assigned and deleted
    on ``protocol``, so that a program that calls ``transport.get_protocol()`` can use the adapter like ``protocol``.
    When the connection has ended, the adapter drops its reference to ``protocol``, because TLS transports of the loop
    refer to the adapter longer.

    The argument ``shared`` is True if the program may use the socket as well. The transport refers to the adapter.
    """

    __slots__ = ("__weakref__", "_delivery", "_protocol", "buffer_updated", "get_buffer")

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop, shared: bool = False) -> None:
        scratch, at_once = _shared_memory(loop)
        delivery = core.LoopDelivery(protocol, scratch, stepper_of(loop), shared, _own_memory(at_once))
        _set(self, "_protocol", protocol)
        _set(self, "_delivery", delivery)
        # The transport calls them for each arrival.
        _set(self, "get_buffer", delivery.get_buffer)
        _set(self, "buffer_updated", delivery.buffer_updated)

    def connected_transport(self) -> Any:
        """Return the transport from connection_made() to connection_lost() or release(), else None."""
        return self._delivery.transport

    def own_memory(self) -> Any:
        """Return the memory into which the transport receives, and which it may be using; see own_memory_of()."""
        return self._delivery.own_memory

    def upper_protocol(self) -> Any:
        """Return the protocol to which the adapter forwards; None after release() or the end of the connection."""
        return self._protocol

    def release(self) -> Any:
        """Drop the reference to the protocol, so that its methods are not called any more. Return the protocol."""
        protocol = self._protocol
        _set(self, "_protocol", None)
        self._delivery.end()
        return protocol

    def connection_made(self, transport: Any) -> None:
        protocol = self._protocol
        if protocol is None:
            # uvloop calls this method even after the connection was discarded.
            transport.abort()
            return
        try:
            self._delivery.made(protocol, transport)
            protocol.connection_made(transport)
        except BaseException:
            # A signal handler has raised. Without a handler, nothing would close an accepted connection.
            transport.abort()
            raise

    # Properties, not methods: a program that replaces a method of the protocol reads the attribute here, and its
    # function calls what it has read. So a second replacement calls the first one.

    @property
    def connection_lost(self) -> Any:
        protocol = self._protocol
        return functools.partial(self._lost, None if protocol is None else protocol.connection_lost)

    @property
    def pause_writing(self) -> Any:
        return self._protocol.pause_writing

    @property
    def resume_writing(self) -> Any:
        return self._protocol.resume_writing

    @property
    def eof_received(self) -> Any:
        return functools.partial(self._eof, self._protocol.eof_received)

    def _lost(self, call: Any, exc: Exception | None) -> None:
        protocol = self._protocol
        delivery = self._delivery
        if protocol is None or delivery.receivers is None:
            # A function that has replaced the method calls it, perhaps later. ``call`` is None if the loop reports the
            # end after release().
            if call is not None:
                call(exc)
            return
        try:
            delivery.end()
            call(delivery.interruption or exc)
        except BaseException:
            finish_lost_soon(asyncio.get_running_loop(), protocol, delivery.interruption or exc)
            raise
        finally:
            _set(self, "_protocol", None)

    def _eof(self, call: Any) -> Any:
        keep_open = call()
        if not keep_open and isinstance(self._protocol, core.ProtocolOperations):
            # The transport closes after this call.
            self._protocol._sluiceway_closing()
        return keep_open

    def __getattr__(self, name: str) -> Any:
        if name == "_protocol":
            # A tracer looks at the object before __init__() has run.
            raise AttributeError(name)
        return getattr(self._protocol, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._protocol, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._protocol, name)


class AcceptedAdapter(LoopAdapter):
    """The LoopAdapter of an accepted connection whose transport the current task creates.

    If the task is cancelled before connection_made(), the transport is aborted, and ``protocol`` is not called.
    """

    __slots__ = ("_setup_task",)

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(protocol, loop)
        _set(self, "_setup_task", asyncio.current_task(loop))

    def connection_made(self, transport: Any) -> None:
        # The tasks of a program's task factory need not have cancelling().
        cancelling = getattr(self._setup_task, "cancelling", None)
        _set(self, "_setup_task", None)
        if cancelling is not None and cancelling():
            self.release()
        super().connection_made(transport)
