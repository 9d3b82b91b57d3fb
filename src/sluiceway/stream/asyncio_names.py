"""Messages for arguments and attributes of asyncio that connect(), spawn() and their results do not have."""

from __future__ import annotations

import functools
import sys
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

# The attributes of asyncio's readers and writers, and the methods for data of sockets, trio and anyio.
STREAM = {
    "readline": "use read_line()",
    "readexactly": "use read_exactly()",
    "readuntil": "use read_until()",
    "at_eof": "use reader.at_eof()",
    "write": "use 'await send()', or writer.write()",
    "writelines": "use 'await send()', or writer.writelines()",
    "drain": "send() drains; flush() waits until everything is sent",
    "write_eof": "use 'await send_eof()'",
    "can_write_eof": "use writer.can_write_eof()",
    "close": "use 'await aclose()', or 'async with'",
    "wait_closed": "use 'await aclose()', or 'async with'",
    "transport": "use writer.transport",
    "get_extra_info": "use peer, local or tls, or writer.get_extra_info()",
    "recv": "use read()",
    "recv_into": "use readinto()",
    "sendall": "use send()",
    "shutdown": "use send_eof()",
    "settimeout": "pass timeout= to each call, or use deadline()",
    "getpeername": "use peer",
    "getsockname": "use local",
    "receive": "use read()",
    "receive_some": "use read()",
    "send_all": "use send()",
}
CHILD = {
    "stdin": "stdio sends to the standard input",
    "stdout": "stdio reads from the standard output",
    "communicate": "use stdio.send(), stdio.send_eof() and stdio.read_all()",
    "poll": "use returncode",
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


def explain_attributes(owner: type, advice: Mapping[str, str]) -> None:
    """Add ``advice`` to the AttributeErrors of instances of ``owner``. Its keys are names of missing attributes.

    On Python 3.11, where ``__getattr__()`` would make each call of a method slower, do nothing.
    """

    def explain(self: object, name: str) -> object:
        if name not in advice:
            # Raises Python's own error again.
            return object.__getattribute__(self, name)
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}; {advice[name]}", name=name, obj=self
        )

    # Not attributes of the class: ``Mock(spec=Stream)`` and isinstance() with a Protocol would find them.
    if sys.version_info >= (3, 12):
        owner.__getattr__ = explain  # type: ignore[attr-defined]
