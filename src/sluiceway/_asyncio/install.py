"""install() and uninstall(): replace the names of asyncio's streams with sluiceway's, and restore them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import sys
import threading
from asyncio import streams as asyncio_streams
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

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

F = TypeVar("F", bound=Callable[..., Any])


def _with_asyncios_rules(
    start: Callable[..., Awaitable[Server]], **asyncios_defaults: bool
) -> Callable[..., Awaitable[Server]]:
    """Wrap ``start`` so that its Server waits for its connections, and closes them, only where asyncio's does so.

    ``asyncios_defaults``: the defaults of asyncio for keywords of ``start`` that may have another default.

    Before Python 3.12, and on uvloop, asyncio's ``wait_closed()`` returns after ``close()`` even if connections are
    open. A program that relies on this would hang with sluiceway's own ``wait_closed()``. On Python 3.12 and earlier,
    on the first releases of 3.13, and on uvloop, a cancelled ``serve_forever()`` leaves the connections open.
    """
    waits = sys.version_info >= (3, 12)
    closes = "close_clients" in asyncio.Server.serve_forever.__code__.co_names

    @functools.wraps(start)
    async def started(*args: Any, **kwargs: Any) -> Server:
        server = await start(*args, **{**asyncios_defaults, **kwargs})
        native = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
        server._waits_for_connections = waits and native
        server._closes_clients = closes and native
        return server

    signature = inspect.signature(start)
    parameters = [p.replace(default=asyncios_defaults.get(p.name, p.default)) for p in signature.parameters.values()]
    started.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return started


_replacements: dict[str, Any] = {
    "FlowControlMixin": FlowControlMixin,
    "StreamReader": StreamReader,
    "StreamReaderProtocol": StreamReaderProtocol,
    "StreamWriter": StreamWriter,
    "open_connection": open_connection,
    "open_unix_connection": open_unix_connection,
    "start_server": _with_asyncios_rules(start_server),
    # asyncio removes the path since Python 3.13. Programs for older versions may remove it themselves.
    "start_unix_server": _with_asyncios_rules(start_unix_server, cleanup_socket=sys.version_info >= (3, 13)),
}

_originals: list[tuple[Any, str, Any]] = []
# The blocks of installed() whose first one has installed sluiceway; None if install() has, or nothing is installed.
_installer: _Blocks | None = None
# Without the lock, a second thread that installs at the same time would store sluiceway's names as asyncio's.
# An RLock, because an exception of a signal handler may leave it locked: on CPython 3.14, a ``with`` statement does not
# release a lock if the exception comes directly after it has acquired it. Later calls of the same thread do not wait.
_lock = threading.RLock()
# The thread that is replacing or restoring the names; 0 for none.
_changing = 0


# The loops are in functions of their own: on CPython 3.12, a ``with`` or ``try`` statement around a loop does not see
# an exception that a signal handler raises at the end of an iteration. So it would not release the lock, or restore
# the names.


def _replace_names(installer: _Blocks | None) -> None:
    """Replace the names, or none of them if a signal handler raises. ``installer``: the value of _installer."""
    try:
        _replace_each(installer)
    except BaseException:
        _restore_names()
        raise


def _replace_each(installer: _Blocks | None) -> None:
    global _changing, _installer  # noqa: PLW0603 - shared by all threads
    _changing = threading.get_ident()
    _installer = installer
    for module in (asyncio, asyncio_streams):
        for name, replacement in _replacements.items():
            original = module.__dict__.get(name)
            if original is not None:
                _originals.append((module, name, original))
                setattr(module, name, replacement)
    replace_in_checks({_replacements[name]: one for _, name, one in _originals if isinstance(one, type)})
    _changing = 0


def _restore_names() -> None:
    """Restore the names, also if a signal handler raises."""
    try:
        _restore_each()
    except BaseException:
        _restore_each()
        raise


def _restore_each() -> None:
    global _changing, _installer  # noqa: PLW0603 - shared by all threads
    _changing = threading.get_ident()
    _installer = None
    for module, name, original in _originals:
        # Other code may have replaced the name since install().
        if module.__dict__.get(name) is _replacements[name]:
            setattr(module, name, original)
    _originals.clear()
    replace_in_checks({})
    _changing = 0


def _forked() -> None:
    """Replace the lock in a forked child: a thread of the parent may hold it. Undo a change that is not complete."""
    global _lock  # noqa: PLW0603 - shared by all threads
    _lock = threading.RLock()
    if _changing not in (0, threading.get_ident()):
        _restore_names()


if hasattr(os, "register_at_fork"):
    # Windows has no fork.
    os.register_at_fork(after_in_child=_forked)


class _Blocks:
    """The blocks of installed() that overlap, in several tasks or threads. The last one that ends uninstalls.

    ``count``: how many of them have not ended.
    """

    def __init__(self) -> None:
        self.count = 0


def install() -> None:
    """Replace the stream classes and functions in ``asyncio`` and ``asyncio.streams`` with sluiceway's.

    If sluiceway is installed already, the call has no effect. Code that looks up one of these names in ``asyncio``
    after the call uses sluiceway: for example libraries that call ``asyncio.open_connection``, and the pipes of
    ``asyncio.create_subprocess_exec``. A name that was imported before the call (``from asyncio import StreamReader``)
    and a class that was derived before the call remain asyncio's. Objects of both packages can be used together:
    ``isinstance(obj, asyncio.StreamReader)`` is true for readers of both packages, also after ``uninstall()``. For
    ``wait_closed()`` and ``serve_forever()``, servers of ``asyncio.start_server`` and ``asyncio.start_unix_server``
    keep asyncio's rules; see these methods of Server. Before Python 3.13, a server of ``asyncio.start_unix_server``
    leaves its path when it is closed, as asyncio's does.
    """
    with _lock:
        if _originals:
            return
        _replace_names(None)
    _log_install()


def uninstall() -> None:
    """Restore asyncio's own classes and functions. If sluiceway is not installed, the call has no effect.

    Existing streams and servers of sluiceway continue to work. A name that other code has replaced after ``install()``
    is left unchanged.
    """
    with _lock:
        if not _originals:
            return
        _restore_names()
    _log_uninstall()


def _log_install() -> None:
    logger.debug("install(): asyncio's stream names refer to sluiceway (core: %s, engine: %s)", IMPLEMENTATION, ENGINE)


def _log_uninstall() -> None:
    logger.debug("uninstall(): asyncio's stream names refer to asyncio's own classes and functions again")


def is_installed() -> bool:
    """Return True after install() until uninstall(): while asyncio's stream names refer to sluiceway."""
    return bool(_originals)


def installed() -> _Installed:
    """Return a context manager and decorator that installs sluiceway for a block: ``with sluiceway.installed():``.

    If sluiceway was installed before the block, sluiceway is still installed after the block. If blocks of several
    tasks or threads overlap, sluiceway stays installed until the last of them ends. The decorator is for plain
    functions.

    Raises:
        TypeError: the result is used as a condition, as in ``if installed():``. Use ``if is_installed():`` instead.
            Or it decorates a coroutine function or a generator function, whose body runs after the block.
    """
    return _Installed()


class _Installed(contextlib.ContextDecorator, contextlib.AbstractContextManager[None]):
    def __init__(self) -> None:
        # For each block that the object has begun: None if sluiceway had been installed by install() before.
        self._begun: list[_Blocks | None] = []

    def __enter__(self) -> None:
        with _lock:
            installs = not _originals
            if installs:
                _replace_names(_Blocks())
            if _installer is not None:
                _installer.count += 1
            self._begun.append(_installer)
        if installs:
            try:
                _log_install()
            except BaseException:
                # The block does not run, and nothing else would restore the names.
                self.__exit__()
                raise

    def __exit__(self, *exc: object) -> None:
        blocks = self._begun.pop()
        if blocks is None:
            return
        with _lock:
            blocks.count -= 1
            # After uninstall() within the blocks, others may have begun.
            if blocks.count or (_installer is not None and _installer is not blocks) or not _originals:
                return
            _restore_names()
        _log_uninstall()

    def __call__(self, function: F) -> F:
        kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        if any(is_kind(function) for is_kind in kinds):
            raise TypeError(
                f"installed() cannot decorate {function!r}, whose body runs after the call; use `with installed():` in "
                "its body"
            )
        return super().__call__(function)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "installed() cannot be used as a condition: it installs sluiceway for a `with` block; "
            "use is_installed() to test whether sluiceway is installed"
        )
