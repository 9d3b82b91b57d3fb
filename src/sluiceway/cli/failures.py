"""Describe the exception of a request in one line: what failed, with the peer, and what to do."""

from __future__ import annotations

import enum
import errno
import os
import socket
import ssl
import stat
import sys

from sluiceway.cli.response import ClosedEarlyError, HeadTooLongError, NotHTTPError
from sluiceway.cli.target import Target


class Stage(enum.Enum):
    """A stage of a request: CONNECTING includes the TLS handshake, ANSWERING begins after it."""

    CONNECTING = enum.auto()
    ANSWERING = enum.auto()


_UNREACHABLE = "unreachable"

# OpenSSL's X509_V_ERR_… numbers (x509_vfy.h); the ssl module has no names for them.
_NOT_YET_VALID = 9
_EXPIRED = 10
_HOST_MISMATCH = frozenset({62, 64})

# Bytes of sun_path without its final NUL (unix(7): 108 on Linux, 104 on BSD and macOS).
_UNIX_PATH_BYTES = 107 if sys.platform == "linux" else 103

# OpenSSL's reasons if the received bytes are not a TLS record.
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})


# The alerts with which a server refuses the certificate of the client (RFC 8446, section 6.2).
_CERTIFICATE_ALERTS = frozenset(
    {
        "bad certificate",
        "certificate expired",
        "certificate revoked",
        "certificate unknown",
        "unknown ca",
        "unsupported certificate",
    }
)


def describe(error: BaseException, target: Target, stage: Stage, timeout: float) -> str:
    """Describe the error of a request in one line.

    Args:
        error: the exception of the request.
        target: the URL of the request.
        stage: the stage in which the request failed.
        timeout: the time limit of the request, in seconds.

    Returns:
        ``kind: what failed; what to do``, without a line break. An unexpected error has the kind "failed", and no
        advice. For an ExceptionGroup, see _group().
    """
    if isinstance(error, BaseExceptionGroup):
        sentence = _group(error, target, stage, timeout)
    elif isinstance(error, NotHTTPError):
        sentence = _not_http(error, target)
    elif isinstance(error, ClosedEarlyError):
        sentence = _closed_early(error, target)
    elif isinstance(error, HeadTooLongError):
        sentence = (
            f"response header too long: {error.what} of {target.peer} exceeds {error.limit // 1024} KiB; check the port"
        )
    elif target.unix_path is not None and stage is Stage.CONNECTING and isinstance(error, (OSError, ValueError)):
        sentence = _unix(error, target, target.unix_path, timeout)
    elif isinstance(error, ssl.SSLCertVerificationError):
        sentence = _certificate(error, target)
    elif isinstance(error, ssl.SSLError):
        sentence = _tls(error, target)
    elif isinstance(error, socket.gaierror):
        sentence = _name(error, target)
    elif isinstance(error, OSError):
        sentence = _connection(error, target, stage, timeout)
    else:
        sentence = f"failed: {type(error).__name__}: {error}"
    return " ".join(sentence.split())


def _group(error: BaseExceptionGroup[BaseException], target: Target, stage: Stage, timeout: float) -> str:
    """Describe the errors of all addresses of a name, each distinct description once, with "; " between them.

    Leave out the unreachable addresses if another address failed for a different reason.
    """
    sentences = list(dict.fromkeys(describe(one, target, stage, timeout) for one in error.exceptions))
    # localhost often resolves to an IPv6 address on machines without IPv6, which is not the cause.
    decisive = [sentence for sentence in sentences if not sentence.startswith(_UNREACHABLE)]
    return "; ".join(decisive or sentences)


def _not_http(error: NotHTTPError, target: Target) -> str:
    if error.is_tls:
        return f"not HTTP: {target.peer} responds with TLS; use https:// instead of http://"
    return f"not HTTP: {target.peer} responds with {_quoted(error.beginning)}; check the port"


def _quoted(data: bytes) -> str:
    return repr(data.rstrip(b"\r\n"))[1:]


def _closed_early(error: ClosedEarlyError, target: Target) -> str:
    no_data = error.where == "before the status line"
    may_be_tls = no_data and not target.tls and target.unix_path is None
    advice = "check that it speaks HTTP, or use https:// if this is its TLS port" if may_be_tls else "try again"
    return f"closed early: {target.peer} {'reset' if error.reset else 'ended'} the connection {error.where}; {advice}"


def _certificate(error: ssl.SSLCertVerificationError, target: Target) -> str:
    if error.verify_code in _HOST_MISMATCH:
        return (
            f"host name mismatch: the certificate of {target.peer} is not for {target.host!r} "
            f"({error.verify_message.rstrip('.')}); use a host name of the certificate"
        )
    if error.verify_code == _EXPIRED:
        return f"certificate expired: {target.peer} must renew its certificate; check this machine's clock too"
    if error.verify_code == _NOT_YET_VALID:
        return f"certificate not yet valid: {target.peer}; check this machine's clock"
    return (
        f"certificate not trusted: {target.peer} ({error.verify_message.rstrip('.')}); "
        "pass the certificate of its authority with --cafile FILE"
    )


def _tls(error: ssl.SSLError, target: Target) -> str:
    if error.reason in _NOT_TLS:
        return f"not TLS: {target.peer} does not speak TLS; use http:// instead of https://, or check the port"
    if isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING":
        return _ended_in_handshake(target)
    reason = (error.reason or error.strerror or str(error)).replace("_", " ").lower()
    alert = reason.partition("alert ")[2]
    if alert == "certificate required":
        return (
            f"client certificate required: {target.peer} accepts no client without a certificate; "
            "pass one with --cert FILE, and its key with --key FILE"
        )
    if alert in _CERTIFICATE_ALERTS:
        return (
            f"client certificate refused: {target.peer} ({alert}); "
            "pass a certificate that the server accepts with --cert FILE, and its key with --key FILE"
        )
    return (
        f"TLS failed: {target.peer}: {reason}; "
        "check the TLS versions, and whether the server requires a client certificate (--cert FILE)"
    )


def _ended_in_handshake(target: Target) -> str:
    return f"closed early: {target.peer} ended the connection during the TLS handshake; check that it is a TLS port"


def _name(error: socket.gaierror, target: Target) -> str:
    # Without the beginning of the message, which contains the host as well.
    reason = (error.strerror or str(error)).rpartition('": ')[2]
    if error.errno == socket.EAI_AGAIN:
        return (
            f"name not found: the name servers gave no answer for {target.host!r} ({reason}); "
            "check this machine's network and try again"
        )
    return f"name not found: {target.host!r} ({reason}); check the spelling"


def _connection(error: OSError, target: Target, stage: Stage, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        # A timeout of the operating system has an errno, a timeout of this command has none.
        if error.errno is not None:
            return f"timeout: {target.peer} does not answer ({os.strerror(error.errno)}); check host and port"
        if stage is Stage.ANSWERING:
            return f"timeout: {target.peer} sent no complete header within {timeout:g} s; raise --timeout"
        handshake = " and TLS handshake" if target.tls else ""
        return (
            f"timeout: no connection{handshake} with {target.peer} within {timeout:g} s; "
            "check host and port or raise --timeout"
        )
    if isinstance(error, ConnectionRefusedError):
        return f"refused: nothing listens at {target.peer}; start the server or check the port"
    if isinstance(error, ConnectionError):
        if stage is Stage.CONNECTING and target.tls:
            return _ended_in_handshake(target)
        return f"closed early: {target.peer} reset the connection before its header was complete; try again"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
        return (
            f"{_UNREACHABLE}: {target.peer} ({os.strerror(error.errno)}); check the address and this machine's network"
        )
    return f"failed: {target.peer}: {error.strerror or error}"


def _unix(error: OSError | ValueError, target: Target, path: str, timeout: float) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no such socket: {target.peer} does not exist; start the server or check the path"
    if isinstance(error, PermissionError):
        return f"permission denied: {target.peer}; connecting needs write permission for the socket"
    if not _may_be_socket(path):
        return f"not a socket: {target.peer} is another kind of file; check the path"
    if isinstance(error, ConnectionRefusedError):
        return f"refused: nothing listens at {target.peer}; start the server"
    size = len(os.fsencode(path))
    if size > _UNIX_PATH_BYTES:
        return (
            f"path too long: {target.peer} has {size} bytes, the maximum of a Unix socket is "
            f"{_UNIX_PATH_BYTES}; use a relative path or a shorter directory"
        )
    if isinstance(error, OSError):
        if error.errno == errno.EPROTOTYPE:
            return f"not a stream socket: {target.peer} is a datagram socket; check the path"
        if error.errno is None or isinstance(error, ConnectionError):
            return _connection(error, target, Stage.CONNECTING, timeout)
    return f"failed: {target.peer}: {error}"


def _may_be_socket(path: str) -> bool:
    if path.startswith("\0"):
        return True
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except (OSError, ValueError):
        return True
