"""Truncation: the peer ends its direction of TCP without a close_notify alert.

A TLS transport reports the end of input to its protocol, and closes at once, because TLS connections cannot be
half-closed. What the program writes later is discarded. So the report waits one iteration of the loop: the tasks for
which the last data has arrived run first, and can still send an answer. asyncio's loop receives the data and the end in
two iterations, which has the same effect. The engine often receives both in one callback.

A task whose budget is exhausted yields to the loop within its work. asyncio's tasks do not yield there. So the report
also waits while a read or drain yields: for any time if the number of unread bytes decreases, which it can do only
finitely often, otherwise for _YIELDS iterations.
"""

from __future__ import annotations

import ssl
from typing import Any

from ..._implementation import core
from ..protocol_calls import abort_if_interrupted, schedule_repeatedly
from ..upper_connection import upper_connection

# Iterations of the loop. In each of them, a task has called drain() 512 times, and has read nothing.
_YIELDS = 100


def report_truncation_soon(transport: Any) -> None:
    """Call report_truncation() in a later iteration of the loop, unless ``transport``, a TLSTransport, closes before.

    While reading is paused, do nothing: resume_reading() calls the function again.
    """
    if transport.lower.get_extra_info("sslcontext") is None:
        schedule_repeatedly(transport._loop.call_soon, _report, transport, -1, _YIELDS)
    else:
        # A TLS transport below has delayed the end itself, and closes after this call.
        report_truncation(transport)


def _report(transport: Any, unread: int, left: int) -> None:
    """Call report_truncation(), or wait for a task that yields.

    ``unread``: the least number of unread bytes that previous calls have found; -1 in the first call. ``left``: how
    many iterations may follow until there are fewer.
    """
    if not transport.reports_end():
        return
    connection = upper_connection(transport)
    if connection is not None and connection.yields:
        now = _unread(connection)
        if unread < 0 or now < unread:
            unread, left = now, _YIELDS
        if left:
            transport._loop.call_soon(_report, transport, unread, left - 1)
            return
    report_truncation(transport)


@abort_if_interrupted
def report_truncation(transport: Any) -> None:
    """Report the end to the protocol of ``transport``, and close this side: an error only with ``strict_eof``."""
    error = ssl.SSLEOFError(
        ssl.SSL_ERROR_EOF, "TCP ended without a close_notify alert: the received data may be truncated"
    )
    protocol = transport.get_protocol()
    if isinstance(protocol, core.ProtocolOperations):
        protocol._sluiceway_truncated(error)
    if transport.strict_eof:
        transport.failed(error)
    else:
        transport.input_ended()


def report_truncation_late(transport: Any) -> None:
    """Call report_truncation() if the lower transport of ``transport`` has ended before the end of input was reported.

    Without ``strict_eof``, a protocol of the program that has paused reading gets no report, as in asyncio: that of
    loop.sendfile() would raise an error in eof_received().
    """
    # A close must not send an alert now: it would count as lost data.
    transport._closing = not transport.strict_eof
    known = isinstance(transport.get_protocol(), core.ReceiverProvider)
    if known or transport.strict_eof or not transport._reading_paused:
        report_truncation(transport)


def _unread(connection: Any) -> int:
    reference = connection.receiver_ref
    receiver = None if reference is None else reference()
    return 0 if receiver is None else int(receiver.buffer.size())
