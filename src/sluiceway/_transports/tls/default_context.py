"""The TLS context of ``ssl=True``: ``ssl.create_default_context()``, shared by the connections of the process.

Loading the system's certificates takes tens of milliseconds, so it is done in a thread of the loop's executor, and
again only where the environment or the files behind it have changed.

A program can get the context by ``get_extra_info("sslcontext")``. A change of it must not weaken connections that are
opened later: the context notes that one of its attributes was assigned or one of its methods was called that changes
it, and is not used for another connection then.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import ssl
import threading
from typing import Any

from ..._config import key_log_file

# Methods and classes whose use leaves a context as it is. A use of any other method counts as a change.
_READING = frozenset(
    [
        "cert_store_stats",
        "get_ca_certs",
        "get_ciphers",
        "get_groups",
        "session_stats",
        "sslobject_class",
        "sslsocket_class",
        "wrap_bio",
        "wrap_socket",
    ]
)
_Key = tuple[Any, ...]


class SharedContext(ssl.SSLContext):
    """The class that a shared context is given after it was made; ``changed``: it was changed since."""

    changed = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if callable(found) and name not in _READING and not name.startswith("_"):
            _mark_changed(self)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        _mark_changed(self)
        super().__setattr__(name, value)


def _mark_changed(context: ssl.SSLContext) -> None:
    context.__dict__["changed"] = True


class DefaultContext:
    """The shared context, and the load that is under way. Any number of loops in any threads use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: _Key = ()
        self._context: SharedContext | None = None
        self._loading: concurrent.futures.Future[ssl.SSLContext] | None = None

    async def get(self, loop: asyncio.AbstractEventLoop) -> ssl.SSLContext:
        """The context for a new connection. Connects that need a new one at the same time wait for one load."""
        key = _current_key()
        with self._lock:
            if self._key == key:
                if self._context is not None and not self._context.changed:
                    return self._context
                loading = self._loading
            else:
                loading = None
            start = loading is None
            if loading is None:
                loading = concurrent.futures.Future()
                # A waiter that is cancelled does not cancel the load.
                loading.set_running_or_notify_cancel()
                self._key, self._context, self._loading = key, None, loading
        if start:
            try:
                loop.run_in_executor(None, self._load, loading)
            except RuntimeError:
                # The executor was shut down, or no thread can be started.
                self._load(loading)
        try:
            return await asyncio.wrap_future(loading, loop=loop)
        finally:
            # The traceback of an error refers to this frame: no reference cycle.
            del loading

    def _load(self, loading: concurrent.futures.Future[ssl.SSLContext]) -> None:
        context: ssl.SSLContext | None = None
        error: BaseException | None = None
        try:
            context = ssl.create_default_context()
            if type(context) is SharedContext.__base__:
                context.__class__ = SharedContext
        except BaseException as caught:  # noqa: BLE001 - the connects that wait raise it
            # Without a traceback, which would refer to this frame and the future: no reference cycle.
            error = _named(caught).with_traceback(None)
        with self._lock:
            if self._loading is loading:
                self._loading = None
                # A class that a program has put in the place of ssl's cannot note changes: it is not shared.
                self._context = context if isinstance(context, SharedContext) else None
        try:
            if error is not None:
                loading.set_exception(error)
            else:
                loading.set_result(context)  # type: ignore[arg-type]
        except concurrent.futures.InvalidStateError:
            # Loaded twice: the executor took the load and raised.
            pass


def _current_key() -> _Key:
    """What the content of a default context depends on."""
    paths = ssl.get_default_verify_paths()
    return (
        ssl.create_default_context,
        ssl.SSLContext,
        key_log_file(),
        paths.openssl_cafile,
        _state(paths.cafile),
        _state(paths.capath),
    )


def _state(path: str | None) -> _Key | None:
    """What changes with the content of a file, or with the list of files of a directory."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return (path,)
    return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _named(error: BaseException) -> BaseException:
    """``error`` with a message that says what failed."""
    if not isinstance(error, OSError):
        return error
    reason = error.strerror or str(error)
    return OSError(error.errno, f"cannot make the default TLS context for ssl=True: {reason}", error.filename)


default_context = DefaultContext()
