"""ConnectError and ConnectTimings: which addresses ``connect()`` tried, why each failed, and how long it took."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from .._net.attempts import ConnectAttempt


@dataclasses.dataclass(frozen=True, slots=True)
class ConnectTimings:
    """How long each part of ``sluiceway.connect()`` took.

    Attributes:
        attempts (tuple of ConnectAttempt): the addresses that were tried, in the order in which the attempts ended.
        resolve (float or None): the seconds of the name resolution. None if it did not start: an IP address without
            ``local``, a Unix socket and a given socket need none.
        tls (float or None): the seconds of the TLS handshake. None if it did not start.
        total (float): the seconds of the whole call.
    """

    attempts: tuple[ConnectAttempt, ...]
    resolve: float | None
    tls: float | None
    total: float


class ConnectError(ConnectionError):
    """Raised by ``sluiceway.connect()`` if it cannot connect, or if its timeout expires. The message is one line.

    It is one exception for all addresses, and not an ExceptionGroup, which ``except OSError`` would not catch. The
    error is a ConnectionError, and so an OSError. It is also an instance of the class of its reason: TimeoutError if
    the timeout expired, socket.gaierror if the name cannot be resolved, ssl.SSLCertVerificationError if the certificate
    is not valid. If no address accepted a connection, the class is the one that all failures have in common, for
    example ConnectionRefusedError if every address refused. ``except`` and ``except*`` catch the error by each of these
    classes. ``__cause__`` is the failure, or an ExceptionGroup of all failures.

    Attributes:
        address (str): the address that was passed to ``connect()``. For a socket, the address of its peer; for a
            descriptor, such as 5, ``"descriptor 5"``.
        exceptions (tuple of OSError): every failure: those of the addresses that were tried, and that of the name
            resolution or the TLS handshake. After a timeout, there is a TimeoutError for each part that was not
            complete.
        timings (ConnectTimings): how long each part took.
        errno (int or None): the error number of the reason. None if it has none, or the failures have different ones.
    """

    address: str
    exceptions: tuple[OSError, ...]
    timings: ConnectTimings
    _reasons: tuple[OSError, ...]

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return connect_error, (self.args[0], self.address, self.exceptions, self.timings, self._reasons)


def connect_error(
    message: str,
    address: str,
    exceptions: tuple[OSError, ...],
    timings: ConnectTimings,
    reasons: tuple[OSError, ...],
) -> ConnectError:
    """Return the ConnectError of a connect to ``address``.

    It is also an instance of the most derived class that all ``reasons`` have in common, if Python allows such a class.
    ``reasons``: what ended the connect: the failures of all attempts, the failure of another part, or the timeout.
    ``exceptions``: see ConnectError.
    """
    error = _class_for(_common_class(reasons))(message)
    if len(reasons) == 1:
        # verify_code of a certificate, reason of a TLS error, and what a resolver of the program has set.
        error.__dict__.update(getattr(reasons[0], "__dict__", {}))
    error.address, error.exceptions, error.timings, error._reasons = address, exceptions, timings, reasons
    numbers = {reason.errno for reason in reasons}
    error.errno = numbers.pop() if len(numbers) == 1 else None
    if len(exceptions) > 1:
        error.__cause__ = ExceptionGroup(message, exceptions)
    elif exceptions:
        error.__cause__ = exceptions[0]
    return error


def without_traceback(error: OSError) -> OSError:
    """Remove the traceback and the context of ``error``, which refer to the frames of the connect. Return ``error``."""
    error.__context__ = None
    return error.with_traceback(None)


def describe_failure(error: OSError) -> str:
    """Return the reason of a failed attempt as text, without the address, which ConnectAttempt.address has."""
    text = error.strerror or str(error)
    if not text:
        return type(error).__name__
    if error.errno is not None and text.startswith("Connect call failed"):
        # The loops' text has the address only.
        text = os.strerror(error.errno)
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def describe_seconds(seconds: float) -> str:
    """Return ``seconds`` as text: "3.1 ms" or "2.50 s"."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _common_class(errors: tuple[OSError, ...]) -> type[OSError]:
    """Return the most derived class that all ``errors`` are instances of."""
    for candidate in type(errors[0]).__mro__ if errors else ():
        if issubclass(candidate, OSError) and all(isinstance(error, candidate) for error in errors):
            return candidate
    return OSError


def _class_for(reason: type[OSError]) -> type[ConnectError]:
    """Return a class that derives from ConnectError and ``reason``; ConnectError if Python allows no such class."""
    if issubclass(ConnectError, reason):
        return ConnectError
    if issubclass(reason, ConnectError):
        return reason
    found = _classes.get(reason)
    if found is None:
        try:
            found = type("ConnectError", (ConnectError, reason), {"__module__": ConnectError.__module__})
        except TypeError:
            # A class of the program with another memory layout, or one that allows no subclass.
            found = ConnectError
        _classes[reason] = found
    return found


# For each class of reasons, the class of a ConnectError with such a reason.
_classes: dict[type[OSError], type[ConnectError]] = {}
