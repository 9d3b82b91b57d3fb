"""The types and defaults of the keyword arguments of open_connection, start_server and their Unix variants.

Each function has the parameter ``**options: Unpack[Parameters]``, where ``Parameters`` is a TypedDict of this module.
Type checkers accept the keys of the TypedDict as keywords. ``inspect.signature`` and ``help()`` would show
``**options`` only, so the decorator ``with_keywords`` puts each keyword and its default into the signature.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl as ssl_module
from collections.abc import Callable
from typing import Any, Final, TypedDict, TypeVar

from .._constants import CLOSE_TIMEOUT, DEFAULT_BACKLOG
from .argument_checks import check_integers

_Function = TypeVar("_Function", bound=Callable[..., Any])


class StreamParameters(TypedDict, total=False):
    """The keywords that the four functions have with the same type. The type of ``ssl`` differs."""

    loop: asyncio.AbstractEventLoop | None
    limit: float | None
    sock: socket.socket | None
    ssl_handshake_timeout: float | None
    ssl_shutdown_timeout: float | None
    strict_eof: bool
    close_timeout: float | None


class ClientParameters(StreamParameters, total=False):
    """The keywords of open_unix_connection. open_connection has all of them, and those of TCPClientParameters."""

    ssl: ssl_module.SSLContext | bool | None
    server_hostname: str | None


class TCPClientParameters(ClientParameters, total=False):
    """The keywords of open_connection: those of open_unix_connection, and those for addresses of TCP."""

    family: int
    proto: int
    flags: int
    local_addr: tuple[str, int] | None
    happy_eyeballs_delay: float | None
    interleave: int | None
    all_errors: bool


class ServerParameters(StreamParameters, total=False):
    """The keywords that start_server and start_unix_server have in common."""

    ssl: ssl_module.SSLContext | None
    backlog: int
    start_serving: bool


class TCPServerParameters(ServerParameters, total=False):
    """The keywords of start_server: those of both kinds of servers, and those for addresses of TCP."""

    family: int
    flags: int
    reuse_address: bool | None
    reuse_port: bool | None
    keep_alive: bool | None


class UnixServerParameters(ServerParameters, total=False):
    """The keywords of start_unix_server: those of both kinds of servers, and one for the file of the socket."""

    cleanup_socket: bool


_STREAM: Final[StreamParameters] = {
    "loop": None,
    "limit": None,
    "sock": None,
    "ssl_handshake_timeout": None,
    "ssl_shutdown_timeout": None,
    "strict_eof": False,
    "close_timeout": CLOSE_TIMEOUT,
}
_SERVER: Final[ServerParameters] = {**_STREAM, "ssl": None, "backlog": DEFAULT_BACKLOG, "start_serving": True}

UNIX_CLIENT: Final[ClientParameters] = {**_STREAM, "ssl": None, "server_hostname": None}
TCP_CLIENT: Final[TCPClientParameters] = {
    **UNIX_CLIENT,
    "family": 0,
    "proto": 0,
    "flags": 0,
    "local_addr": None,
    "happy_eyeballs_delay": None,
    "interleave": None,
    "all_errors": False,
}
TCP_SERVER: Final[TCPServerParameters] = {
    **_SERVER,
    "family": socket.AF_UNSPEC,
    "flags": socket.AI_PASSIVE,
    "reuse_address": None,
    "reuse_port": None,
    "keep_alive": None,
}
UNIX_SERVER: Final[UnixServerParameters] = {**_SERVER, "cleanup_socket": True}


def with_keywords(parameters: type, defaults: Any) -> Callable[[_Function], _Function]:
    """Return a decorator that replaces ``**options`` in a function's signature with single keywords.

    ``parameters``: the TypedDict with their types. ``defaults``: a dict of their default values.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        positional = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        keywords = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_annotation(parameters, name)
            )
            for name, default in defaults.items()
        ]
        function.__signature__ = signature.replace(parameters=[*positional, *keywords])  # type: ignore[attr-defined]
        return function

    return decorate


def _annotation(parameters: type, name: str) -> Any:
    annotation = parameters.__annotations__[name]
    # A string, as all annotations of this package.
    return getattr(annotation, "__forward_arg__", annotation)


_TLS_HINT: Final = "load it into an ssl.SSLContext and pass ssl=context"
# What to use instead of keywords that other libraries have.
_HINTS: Final = {
    "timeout": "use asyncio.timeout()",
    "idle_timeout": "use stream_handler(handle, idle_timeout=) or connect(idle_timeout=)",
    **dict.fromkeys(("ca_certs", "cafile", "capath", "certfile", "keyfile"), _TLS_HINT),
}


def merge(function: str, defaults: Any, options: Any) -> Any:
    """Return ``defaults`` updated with ``options``, the keywords of a call. ``function``: the function's name.

    Raise TypeError for an unknown keyword, and the errors of check_integers().
    """
    unknown = sorted(options.keys() - defaults.keys())
    if unknown:
        name = repr(unknown[0])
        if unknown[0] in _HINTS:
            name += f"; {_HINTS[unknown[0]]}"
        raise TypeError(f"{function}() got an unexpected keyword argument {name}")
    given = {**defaults, **options}
    check_integers(given)
    return given
