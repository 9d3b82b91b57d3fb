"""The exceptions of sluiceway.

IncompleteReadError and LimitOverrunError are asyncio's classes, so an ``except`` clause for asyncio's exceptions
catches them (contract S7)."""

from __future__ import annotations

import copy
from asyncio import IncompleteReadError, LimitOverrunError

__all__ = ["IncompleteReadError", "LimitOverrunError", "PlaintextBeforeTLSError", "UnixPathError"]


class PlaintextBeforeTLSError(ConnectionError):
    """``start_tls`` found unencrypted bytes that the peer had sent before the upgrade.

    An attacker on the network path may have inserted the bytes. A program that read them after the handshake would
    treat them as authenticated (STARTTLS injection, CVE-2011-0411). The connection stays open and unencrypted, and the
    bytes stay in the reader. Close the connection, or read the bytes as unprotected data.
    """


class UnixPathError(OSError, ValueError):
    """A path is too long for a Unix socket, or names a file that is not a socket.

    Attributes:
        errno (int): ENAMETOOLONG for a path that is too long; ENOTSOCK for a file that is not a socket; EADDRINUSE
            where a server cannot bind because such a file exists.
    """


def copy_error(error: BaseException) -> BaseException:
    """Return a copy of a stored error, to raise instead of it: with the same class, arguments, attributes and cause.

    The traceback of a raised error refers to frames, and through them to the stream that stores the error. Raising a
    copy keeps the stored error out of such a reference cycle. An error that cannot be copied is returned itself.
    """
    try:
        copied = copy.copy(error)
        if type(copied) is not type(error) or copied.args != error.args:
            return error
        # Some classes of asyncio copy the arguments only.
        copied.__dict__.update(error.__dict__)
        if isinstance(error, OSError) and isinstance(copied, OSError) and copied.strerror != error.strerror:
            # name_peer() changes strerror but not args.
            copied.strerror = error.strerror
    except Exception:  # noqa: BLE001 - the class of a program may raise any error
        return error
    copied.__cause__ = error.__cause__
    copied.__suppress_context__ = error.__suppress_context__
    copied.__traceback__ = None
    return copied
