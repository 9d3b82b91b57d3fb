"""Messages for arguments of asyncio's functions that connect() and spawn() do not have."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_FROM_PAIR = "pass it to open_connection(), and the reader and the writer to Stream.from_pair()"
CONNECT = {
    "ssl": 'pass tls=, or the address "tls://host:port"',
    "host": 'pass one address, "host:port"',
    "port": 'pass one address, "host:port"',
    "path": 'pass the address "unix:path"',
    "sock": "pass the socket as the address",
    "local_addr": 'pass local="host:port"',
    "ssl_handshake_timeout": "pass timeout=, which covers the TLS handshake",
    "ssl_shutdown_timeout": _FROM_PAIR,
    "close_timeout": _FROM_PAIR,
    "strict_eof": _FROM_PAIR,
    "all_errors": "ConnectError.exceptions has every failure",
    "happy_eyeballs_delay": "connect() always tries several addresses in parallel",
    "interleave": "connect() always tries several addresses in parallel",
    "family": 'pass an IP address, such as "192.0.2.7:80", or a resolver= that returns addresses of one family',
}
SPAWN = {
    "program": "pass the program as the first argument",
    "args": "pass the program and its arguments one by one",
    "stdin": "child.stdio sends to the standard input",
    "stdout": "child.stdio reads from the standard output",
    "timeout": "child.stdio has timeout= for each call; stop_timeout= is the time to end",
    "shell": 'start a shell by name: spawn("sh", "-c", "…")',
}


def explain_arguments(advice: Mapping[str, str], positional: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that makes a function raise TypeError for a keyword in ``advice``, with the text found there.

    The function also raises TypeError for more than ``positional`` positional arguments. If the first two can be a host
    and a port, the message contains the address to pass instead.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        call = f"{function.__name__}()"

        @functools.wraps(function)
        def checked(*args: P.args, **keywords: P.kwargs) -> R:
            if len(args) > positional:
                host, port = args[0], args[1]
                advice_for_call = "pass the others by keyword, such as timeout=5"
                if isinstance(host, str) and isinstance(port, int) and "/" not in host and host.count(":") != 1:
                    joined = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                    advice_for_call = f"pass {joined!r}"
                raise TypeError(f"{call} accepts one address, not {len(args)} arguments: {advice_for_call}")
            for name in keywords:
                if name in advice:
                    raise TypeError(f"{call} has no argument {name!r}: {advice[name]}")
            return function(*args, **keywords)

        return checked

    return decorate
