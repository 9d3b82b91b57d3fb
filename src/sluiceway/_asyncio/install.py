"""install: sluiceway under asyncio's names, for every program and library that looks them up there (contract S12)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import threading
from asyncio import streams as asyncio_streams
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from .._implementation import IMPLEMENTATION
from .._log import logger
from .._transports.engine_choice import ENGINE
from .instance_check import replace_in_checks
from .open_connection import open_connection, open_unix_connection
from .protocol import FlowControlMixin, StreamReaderProtocol
from .reader import StreamReader
from .server import Server
from .start_server import start_server, start_unix_server
from .writer import StreamWriter


def _with_the_interpreters_wait(start: Callable[..., Awaitable[Server]]) -> Callable[..., Awaitable[Server]]:
    """The same function, its servers' wait_closed() as the running interpreter and loop have it (contract S11).

    Before Python 3.12.1, and on uvloop to this day, wait_closed() after close() returns though connections are open;
    a program that relies on that would hang.
    """

    @functools.wraps(start)
    async def started(*args: Any, **kwargs: Any) -> Server:
        server = await start(*args, **kwargs)
        native = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
        server._waits_for_connections = sys.version_info >= (3, 12, 1) and native
        return server

    return started


_replacements: dict[str, Any] = {
    "FlowControlMixin": FlowControlMixin,
    "StreamReader": StreamReader,
    "StreamReaderProtocol": StreamReaderProtocol,
    "StreamWriter": StreamWriter,
    "open_connection": open_connection,
    "open_unix_connection": open_unix_connection,
    "start_server": _with_the_interpreters_wait(start_server),
    "start_unix_server": _with_the_interpreters_wait(start_unix_server),
}

_originals: list[tuple[Any, str, Any]] = []
# Two threads that install at once would take the first one's names for asyncio's.
_lock = threading.Lock()


def install() -> None:
    """Put sluiceway's names in ``asyncio`` and ``asyncio.streams``. Harmless when it is done already.

    Whatever looks the names up there from now on runs on sluiceway: libraries that call ``asyncio.open_connection``,
    pipes of ``asyncio.create_subprocess_exec``. Names that were imported before (``from asyncio import StreamReader``)
    and classes derived before stay asyncio's, and work together with sluiceway's objects. While it is installed,
    ``isinstance(it, asyncio.StreamReader)`` holds for readers of both.
    """
    with _lock:
        if _originals:
            return
        for module in (asyncio, asyncio_streams):
            for name, replacement in _replacements.items():
                original = module.__dict__.get(name)
                if original is not None:
                    _originals.append((module, name, original))
                    setattr(module, name, replacement)
        replace_in_checks({_replacements[name]: one for _, name, one in _originals if isinstance(one, type)})
    logger.debug("installed: asyncio's streams are sluiceway's (core: %s, engine: %s)", IMPLEMENTATION, ENGINE)


def uninstall() -> None:
    """Give asyncio its own names back. Harmless when sluiceway is not installed. What was made stays sluiceway's."""
    with _lock:
        if not _originals:
            return
        for module, name, original in _originals:
            # Somebody else may have put a name of theirs there since.
            if module.__dict__.get(name) is _replacements[name]:
                setattr(module, name, original)
        _originals.clear()
        replace_in_checks({})
    logger.debug("uninstalled: asyncio's streams are asyncio's own again")


def is_installed() -> bool:
    """Whether sluiceway's names are in the place of asyncio's: between ``install()`` and ``uninstall()``."""
    return bool(_originals)


def installed() -> _Installed:
    """``with sluiceway.installed():`` installs for a while; where it is installed already it stays so afterwards.

    As a condition the result raises TypeError; ``is_installed()`` returns whether sluiceway is installed.
    """
    return _Installed()


class _Installed(contextlib.ContextDecorator, contextlib.AbstractContextManager[None]):
    def __init__(self) -> None:
        self._was_installed: list[bool] = []

    def __enter__(self) -> None:
        self._was_installed.append(is_installed())
        install()

    def __exit__(self, *exc: object) -> None:
        if not self._was_installed.pop():
            uninstall()

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "installed() installs sluiceway for a `with` block and is no condition; "
            "is_installed() returns whether it is installed"
        )
