"""The exceptions of sluiceway. Those that asyncio has are asyncio's own objects, so every ``except`` that knew
asyncio's catches ours (contract S7)."""

from __future__ import annotations

from asyncio import IncompleteReadError, LimitOverrunError

__all__ = ["IncompleteReadError", "LimitOverrunError", "PlaintextBeforeTLSError", "UnixPathError"]


class PlaintextBeforeTLSError(ConnectionError):
    """``start_tls`` found bytes that the peer had sent before the upgrade.

    They came unencrypted, and anybody on the way may have put them there; read after the handshake they would pass for
    the peer's authenticated words (the STARTTLS injection of CVE-2011-0411). The connection is left as it was: not
    upgraded, open, the bytes unread. Close it, or read them knowing that they are not protected.
    """


class UnixPathError(OSError, ValueError):
    """A path that no Unix socket can have or that is something else than a socket.

    ``errno`` is ENAMETOOLONG, ENOTSOCK, or EADDRINUSE where a server finds a file that is none.
    """
