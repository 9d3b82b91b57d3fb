"""The exceptions of sluiceway.

IncompleteReadError and LimitOverrunError are asyncio's classes, so an ``except`` clause for asyncio's exceptions
catches them (contract S7)."""

from __future__ import annotations

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
