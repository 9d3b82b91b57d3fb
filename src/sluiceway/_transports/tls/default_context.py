"""The TLS context of ``ssl=True``: ``ssl.create_default_context()``, shared by all connections of the process.

The context is created in a thread of its own, because loading the system's certificates takes tens of milliseconds. A
thread of the loop's executor would be available only after the jobs of the program that occupy the executor. If no
thread can be started, the context is created in the thread of the loop. A new context is created if the environment or
the certificate files have changed, if the program has replaced create_default_context() or SSLContext of the ``ssl``
module, if it may have changed the context, or if the certificates could not be read.

A program can get the context with ``get_extra_info("sslcontext")``, and change it. Later connections must not be
affected by that. Therefore the context records assignments of attributes, and uses of methods that may change it.
"""

from __future__ import annotations

import _ssl
import asyncio
import contextlib
import os
import ssl
import sys
import threading
from typing import Any

from ..._config import certificate_directories, key_log_file
from ..._errors import copy_error
from ..protocol_calls import schedule_repeatedly

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
# Seconds. A fork waits no longer for a load, which may need a lock of the thread that forks.
_FORK_WAIT = 5
# The name of the thread of a load, by which a fork finds it. A class of its own would not work if gevent replaces
# threading.Thread after this import: join() of a class derived from the former one would wait without end.
_THREAD_NAME = "sluiceway default context"
_Key = tuple[Any, ...]
# The interpreter's own ssl.SSLContext. A library, such as truststore, may have replaced it before this import.
_SSLContext: Any = _ssl._SSLContext.__subclasses__()[0]


class SharedContext(_SSLContext):  # type: ignore[misc]
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
    """Creates and stores the shared context. Event loops in several threads can use one object at the same time.

    An exception of a signal handler may interrupt the methods anywhere, and leave a lock locked. Therefore only the
    threads that create a context use the lock; signal handlers run in the main thread.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        # The load that the last call of get() has begun, and the one that a thread has completed last, with the lock.
        self._load: _Load | None = None
        self.loaded: _Load | None = None

    async def get(self, loop: asyncio.AbstractEventLoop) -> ssl.SSLContext:
        """Return the context for a new connection. Concurrent calls wait for the creation of one context.

        If the creation fails, all of them raise its error. A cancelled call does not stop the creation.
        """
        key = _current_key()
        load = self._load
        if load is None or not load.serves(key):
            load = _Load(self, key)
            if not load.start_if_possible():
                load.create()
            # Last: if a signal handler raises before, no call waits for this load.
            self._load = load
        waiter: asyncio.Future[None] = loop.create_future()
        load.waiters.add(waiter)
        try:
            # The thread sets ``done`` before it reads ``waiters``.
            if not load.done:
                await waiter
        finally:
            load.waiters.discard(waiter)
        thread = load.thread
        if thread is not None:
            # The thread ends now. A test of the program could report a thread, or a Thread object, that is left over.
            thread.join()
            load.thread = None
        if load.error is not None:
            raise copy_error(load.error)
        return load.context  # type: ignore[return-value]

    def forked(self) -> None:
        """Forget, in a forked child, a load that only a thread of the parent completes, and a context that another
        thread of the parent may have locked: CPython 3.14 does so during a call without the interpreter lock.
        """
        self.lock = threading.Lock()
        self._load = self.loaded = None


class _Load:
    """The creation of a context, in ``thread`` if one could be started. ``done``: True if ``context`` or ``error`` is
    set. ``waiters``: woken when ``done`` is True.
    """

    def __init__(self, owner: DefaultContext, key: _Key) -> None:
        self._owner = owner
        self.key = key
        self.thread: threading.Thread | None = None
        self.context: ssl.SSLContext | None = None
        self.error: BaseException | None = None
        self.done = False
        self.waiters: set[asyncio.Future[None]] = set()

    def serves(self, key: _Key) -> bool:
        """Return True if a call of get() with this key can use the context, or wait for it."""
        if not self.done:
            return self.key == key
        # A context of a class that replaces ssl.SSLContext cannot record changes, so it is not shared. One without
        # certificates has the class ssl.SSLContext.
        return self.key == key and isinstance(self.context, SharedContext) and not self.context.changed

    def start_if_possible(self) -> bool:
        """Start the thread. Return False if no thread can be started."""
        # While the interpreter exits, a new thread cannot run, and start() of CPython 3.11 would wait without end.
        if sys.is_finalizing():
            return False
        # The interpreter waits for this thread before it exits, also if the present thread is a daemon. OpenSSL frees
        # its data at the exit of the process; a thread that still loaded certificates would crash the process.
        thread = threading.Thread(target=self._run, name=_THREAD_NAME, daemon=False)
        try:
            thread.start()
        except RuntimeError as error:
            # A signal handler may raise a RuntimeError, too.
            if "thread" not in str(error):
                raise
            return False
        self.thread = thread
        return True

    def _run(self) -> None:
        """Create the context in the new thread, unless a load of another loop has just done so. Wake the waiters."""
        with self._owner.lock:
            loaded = self._owner.loaded
            if loaded is not None and loaded.serves(self.key):
                self.context, self.done = loaded.context, True
            else:
                self.create()
                self._owner.loaded = self
        for waiter in self.waiters.copy():
            # The loop may be closed.
            with contextlib.suppress(Exception):
                schedule_repeatedly(waiter.get_loop().call_soon_threadsafe, _wake, waiter)
        # Only a waiter of a closed loop would be kept: no call waits after ``done``.
        self.waiters.clear()

    def create(self) -> None:
        """Create the context in the present thread."""
        try:
            context = ssl.create_default_context()
            if type(context) is _SSLContext and _has_certificates(context):
                context.__class__ = SharedContext
            self.context = context
        except BaseException as caught:  # noqa: BLE001 - raised by get()
            # A traceback would create a reference cycle, because it refers to this frame.
            self.error = _named(caught).with_traceback(None)
        self.done = True


def _has_certificates(context: ssl.SSLContext) -> bool:
    """Return False if the file of certificates could not be read, for example because no descriptor was left: OpenSSL
    reports no error then. True if there is no such file: OpenSSL reads directories at each handshake.
    """
    return ssl.get_default_verify_paths().cafile is None or context.cert_store_stats()["x509"] > 0


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _finish_loads() -> None:
    """Called before a fork. Wait until the threads that create a context have ended, at most _FORK_WAIT for each.

    They may hold locks of OpenSSL, which nothing releases in the child: OpenSSL there would wait without end.
    """
    for thread in threading.enumerate():
        if thread.name == _THREAD_NAME and thread is not threading.current_thread():
            # RuntimeError: another thread is just starting it.
            with contextlib.suppress(RuntimeError):
                thread.join(_FORK_WAIT)


def _current_key() -> _Key:
    """Return a tuple of all values on which the content of a default context depends."""
    paths = ssl.get_default_verify_paths()
    return (
        ssl.create_default_context,
        ssl.SSLContext,
        key_log_file(),
        paths.openssl_cafile,
        _state(paths.cafile),
        # Not paths.capath, which is None if the variable lists several directories.
        *map(_state, certificate_directories(paths.openssl_capath_env, paths.openssl_capath)),
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
    os.register_at_fork(before=_finish_loads, after_in_child=default_context.forked)
