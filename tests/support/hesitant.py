"""An SSLObject in a renegotiation, as long as a test wants it: it has to hear from the peer first."""

import ssl
from collections.abc import Callable
from typing import Any


class Hesitant:
    """Stands for ``sslobject``; neither writes nor says farewell while ``hesitates``.

    ``after_read`` and ``after_write`` are called in each of them when OpenSSL has done its part, as signal handlers and
    the collector can be.
    """

    def __init__(self, sslobject: ssl.SSLObject) -> None:
        self._sslobject = sslobject
        self.hesitates = False
        self.after_read: Callable[[], object] | None = None
        self.after_write: Callable[[], object] | None = None

    def read(self, *args: Any) -> Any:
        found = self._sslobject.read(*args)
        if self.after_read is not None:
            self.after_read()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sslobject, name)

    def write(self, data: Any) -> int:
        if self.hesitates:
            raise ssl.SSLWantReadError
        count = self._sslobject.write(data)
        if self.after_write is not None:
            self.after_write()
        return count

    def unwrap(self) -> None:
        if self.hesitates:
            # What OpenSSL says of SSL_shutdown in a handshake.
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "shutdown while in init")
        self._sslobject.unwrap()


class HesitantContext(ssl.SSLContext):
    """A context whose connections are such; ``made`` has them."""

    made: list[Hesitant]

    @classmethod
    def trusting(cls, authority: str) -> "HesitantContext":
        """Make a client's, which trusts the authority in this file."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority)
        return context

    def wrap_bio(self, *args: Any, **options: Any) -> Any:
        found = Hesitant(super().wrap_bio(*args, **options))
        self.__dict__.setdefault("made", []).append(found)
        return found
