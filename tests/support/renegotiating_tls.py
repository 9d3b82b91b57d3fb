"""An SSLObject that behaves as during a renegotiation, which blocks its writes, for as long as a test needs."""

import ssl
from collections.abc import Callable
from typing import Any


class RenegotiatingSSLObject:
    """Wraps ``sslobject``; while ``renegotiating``, write() and unwrap() fail as they do in a handshake.

    ``after_read`` and ``after_write`` are called within read() and write() after OpenSSL has returned, where a signal
    handler or the garbage collector may run.
    """

    def __init__(self, sslobject: ssl.SSLObject) -> None:
        self._sslobject = sslobject
        self.renegotiating = False
        self.after_read: Callable[[], object] | None = None
        self.after_write: Callable[[], object] | None = None

    def read(self, *args: Any) -> Any:
        result = self._sslobject.read(*args)
        if self.after_read is not None:
            self.after_read()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sslobject, name)

    def write(self, data: Any) -> int:
        if self.renegotiating:
            raise ssl.SSLWantReadError
        count = self._sslobject.write(data)
        if self.after_write is not None:
            self.after_write()
        return count

    def unwrap(self) -> None:
        if self.renegotiating:
            # OpenSSL's error for SSL_shutdown() during a handshake.
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "shutdown while in init")
        self._sslobject.unwrap()


class RenegotiatingContext(ssl.SSLContext):
    """A context that wraps each of its SSLObjects; ``instances`` lists them."""

    instances: list[RenegotiatingSSLObject]

    @classmethod
    def trusting(cls, authority: str) -> "RenegotiatingContext":
        """Return a client's context that trusts the CA in this file."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority)
        return context

    def wrap_bio(self, *args: Any, **options: Any) -> Any:
        result = RenegotiatingSSLObject(super().wrap_bio(*args, **options))
        self.__dict__.setdefault("instances", []).append(result)
        return result
