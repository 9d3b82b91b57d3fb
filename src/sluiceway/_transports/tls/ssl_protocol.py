"""SSLProtocol: the value of ``_ssl_protocol`` of a TLS transport, with private names of asyncio's SSLProtocol."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

_EXTRA = ("peername", "sockname", "socket", "sslcontext", "ssl_object", "peercert", "cipher", "compression")


class Encrypted(Protocol):
    """The attributes and methods of a TLS transport that SSLProtocol uses."""

    _loop: asyncio.AbstractEventLoop
    _lower: Any

    def get_protocol(self) -> Any:
        """Return the protocol above TLS."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport.get_extra_info."""


class SSLProtocol:
    """The private names of asyncio's SSLProtocol for ``transport``. Each access to ``_ssl_protocol`` creates one."""

    __slots__ = ("_app_transport",)

    def __init__(self, transport: Encrypted) -> None:
        self._app_transport = transport

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._app_transport._loop

    @property
    def _transport(self) -> Any:
        """The lower transport."""
        return self._app_transport._lower

    @property
    def _app_protocol(self) -> Any:
        return self._app_transport.get_protocol()

    @property
    def _sslcontext(self) -> Any:
        return self._app_transport.get_extra_info("sslcontext")

    @property
    def _sslobj(self) -> Any:
        return self._app_transport.get_extra_info("ssl_object")

    @property
    def _extra(self) -> dict[str, Any]:
        """A new dict of all values of get_extra_info(). Changing the dict has no effect."""
        return {name: self._get_extra_info(name) for name in _EXTRA}

    def _get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._app_transport.get_extra_info(name, default)
