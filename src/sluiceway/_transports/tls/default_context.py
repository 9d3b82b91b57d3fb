"""The TLS context of ``ssl=True``: ``ssl.create_default_context()``, shared by all connections of the process.

The context is created in a thread of its own, because loading the system's certificates takes tens of milliseconds. A
thread of the loop's executor would be available only after the jobs of the program that occupy the executor. If no
thread can be started, the context is created in the thread of the loop. A new context is created if the environment or
the certificate files have changed, if the program has replaced create_default_context() or SSLContext of the ``ssl``
module, or if it may have changed the context.

A program can get the context with ``get_extra_info("sslcontext")``, and change it. Later connections must not be
affected by that. Therefore the context records assignments of attributes, and uses of methods that may change it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import ssl
import sys
import threading
from typing import Any

from ..._config import key_log_file

# Methods and classes that do not change a context. A use of any other method counts as a change.
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
    """The class that the shared context gets after its creation. ``changed``: True if the context may have changed."""

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
    """Creates and stores the shared context. Event loops in several threads can use one object at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: _Key = ()
        self._context: SharedContext | None = None
        self._loading: concurrent.futures.Future[ssl.SSLContext] | None = None

    async def get(self, loop: asyncio.AbstractEventLoop) -> ssl.SSLContext:
        """Return the context for a new connection. Concurrent calls wait for the creation of one context.

        If the creation fails, all of them raise its error. A cancelled call does not stop the creation.
        """
        key = _current_key()
        started: concurrent.futures.Future[ssl.SSLContext] | None = None
        thread: threading.Thread | None = None
        try:
            with self._lock:
                same = self._key == key
                if same and self._context is not None and not self._context.changed:
                    return self._context
                running = self._loading if same else None
                if running is not None:
                    loading = running
                else:
                    loading = started = concurrent.futures.Future()
                    # A running future cannot be cancelled, so a cancelled waiter does not cancel the load.
                    loading.set_running_or_notify_cancel()
                    # In this order, a fork in another thread finds no context of another key.
                    self._context, self._loading, self._key = None, loading, key
            if started is not None:
                thread = self._start(started)
        except BaseException as error:
            # Every later call waits for this load, so it runs here. RuntimeError: no thread can be started. A signal
            # handler may raise any other exception; if it did so after the start of the thread, the load runs twice.
            if started is not None:
                self._load(started)
            if started is None or not isinstance(error, RuntimeError):
                raise
        try:
            return await asyncio.wrap_future(loading, loop=loop)
        finally:
            if thread is not None and loading.done():
                # The thread ends now. Without this call, a test of the program could report that it is left over.
                thread.join()
            # Breaks a reference cycle: the traceback of an error refers to this frame.
            del loading, running, started

    def forked(self) -> None:
        """Forget, in a forked child, a load that only a thread of the parent completes."""
        self._lock = threading.Lock()
        if self._loading is not None:
            self._key, self._context, self._loading = (), None, None

    def _start(self, loading: concurrent.futures.Future[ssl.SSLContext]) -> threading.Thread | None:
        """Call ``_load()`` in a new thread, and return the thread. Raise RuntimeError if it cannot be started.

        While the interpreter exits, call ``_load()`` at once and return None: a new thread cannot run any more, and
        CPython 3.11 would wait in ``start()`` without end.
        """
        if sys.is_finalizing():
            self._load(loading)
            return None
        # The interpreter waits for this thread before it exits, also if the present thread is a daemon. OpenSSL frees
        # its data at the exit of the process; a thread that still loaded certificates would crash the process.
        thread = threading.Thread(target=self._load, args=(loading,), name="sluiceway default context", daemon=False)
        thread.start()
        return thread

    def _load(self, loading: concurrent.futures.Future[ssl.SSLContext]) -> None:
        context: ssl.SSLContext | None = None
        error: BaseException | None = None
        try:
            context = ssl.create_default_context()
            if type(context) is SharedContext.__base__:
                context.__class__ = SharedContext
        except BaseException as caught:  # noqa: BLE001 - raised by the waiting calls of get()
            # A traceback would create a reference cycle, because it refers to this frame and the future.
            error = _named(caught).with_traceback(None)
        with self._lock:
            if self._loading is loading:
                self._loading = None
                # A context of a class that replaces ssl.SSLContext cannot record changes, so it is not shared.
                self._context = context if isinstance(context, SharedContext) else None
        try:
            if error is not None:
                loading.set_exception(error)
            else:
                loading.set_result(context)  # type: ignore[arg-type]
        except concurrent.futures.InvalidStateError:
            # The load ran twice, because a signal handler has raised an exception.
            pass


def _current_key() -> _Key:
    """Return a tuple of all values on which the content of a default context depends."""
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
    """Return a value that changes when the file ``path`` changes; for a directory, when its list of files changes."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return (path,)
    return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _named(error: BaseException) -> BaseException:
    """Return an OSError whose message states which operation failed, or ``error`` if it is another exception."""
    if not isinstance(error, OSError):
        return error
    reason = error.strerror or str(error)
    if error.filename is not None and error.filename == key_log_file():
        reason += "; check SSLKEYLOGFILE"
    return OSError(error.errno, f"cannot create the default TLS context: {reason}", error.filename)


default_context = DefaultContext()

if hasattr(os, "register_at_fork"):
    # Windows has no fork.
    os.register_at_fork(after_in_child=default_context.forked)
