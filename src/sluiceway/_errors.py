"""The exceptions of sluiceway.

IncompleteReadError and LimitOverrunError are asyncio's own classes, so ``except asyncio.IncompleteReadError`` catches
the exceptions of sluiceway."""

from __future__ import annotations

import copy
import errno
from asyncio import IncompleteReadError, LimitOverrunError

__all__ = ["IncompleteReadError", "LimitOverrunError", "PlaintextBeforeTLSError", "UnixPathError"]


class PlaintextBeforeTLSError(ConnectionError):
    """Raised by ``start_tls()`` of a client if unencrypted bytes have arrived that the program has not read.

    An attacker on the network path may have inserted these bytes. If the program read them after the handshake, it
    would treat them as authenticated (STARTTLS injection, CVE-2011-0411). The connection stays open and unencrypted,
    and the bytes stay in the reader. The program should close the connection, or read the bytes as unauthenticated
    data.
    """


class UnixPathError(OSError, ValueError):
    """Raised if a path is too long for a Unix socket, or names a file that is not a socket.

    The class derives from OSError and ValueError, so an ``except`` clause for either catches it.

    Attributes:
        errno (int): ENAMETOOLONG for a path that is too long. For a file that is not a socket, ENOTSOCK from a
            connect, and EADDRINUSE from a server.
    """


def own_close_error() -> ConnectionResetError:
    """Return a new error for a TLS handshake that close() or abort() of this program has ended; see is_own_close()."""
    error = ConnectionResetError("this program has closed the connection during the TLS handshake")
    error._sluiceway_own_close = True  # type: ignore[attr-defined]
    return error


def is_own_close(error: BaseException) -> bool:
    """Return True if own_close_error() has created ``error``, or if ``error`` is a copy of such an error."""
    return "_sluiceway_own_close" in vars(error)


def add_note_to_call(error: TypeError, note: str) -> None:
    """Add ``note`` to ``error``, which the caller has caught, if the interpreter or C code raised it for a call.

    Such a call does not fit the parameters of the callable. An error that the callable itself raises in Python code has
    a traceback that contains a frame of that code, and gets no note.
    """
    traceback = error.__traceback__
    if traceback is None or traceback.tb_next is None:
        error.add_note(note)


# The errors of a lost connection that the kernel reports only once.
_LOST = {errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN}


def is_reported_once(error: OSError) -> bool:
    """Return True for an error of a lost connection that no later call gets. The kernel repeats EPIPE."""
    return error.errno in _LOST


def copy_error(error: BaseException) -> BaseException:
    """Return a copy of ``error`` without its traceback. A stream stores one error and raises a copy of it in each call.

    The copy has the same class, arguments, attributes and cause. If the stored error itself were raised, its traceback
    would refer to the frames of the call, and so to the stream: a reference cycle. If ``error`` cannot be copied, the
    function returns ``error``.
    """
    try:
        copied = copy.copy(error)
        if type(copied) is not type(error) or copied.args != error.args:
            return error
        # Some classes of asyncio copy the arguments only.
        copied.__dict__.update(error.__dict__)
        if isinstance(copied.__dict__.get("__notes__"), list):
            # A note that the program adds to the copy must not appear in later copies.
            copied.__notes__ = copied.__notes__[:]
        if isinstance(error, OSError) and isinstance(copied, OSError) and copied.strerror != error.strerror:
            # name_peer() changes strerror but not args.
            copied.strerror = error.strerror
    except Exception:  # noqa: BLE001 - the class of a program may raise any error
        return error
    copied.__cause__ = error.__cause__
    copied.__suppress_context__ = error.__suppress_context__
    copied.__traceback__ = None
    return copied
