"""spawn(): start a child process whose standard streams are Streams."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, TypeAlias

from .._constants import CHILD_STOP_TIMEOUT
from .._implementation import core
from .asyncio_names import SPAWN, explain_arguments
from .child_exit import ChildExit, stop_quietly
from .child_process import ChildProcess
from .opening import Opening
from .pipe_halves import close_file, open_stream, require_pipes
from .stream import Stream

Argument: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]


@explain_arguments(SPAWN, sys.maxsize)
def spawn(
    *command: Argument,
    stderr: int | IO[Any] | None = None,
    cwd: Argument | None = None,
    env: Mapping[str, str] | None = None,
    start_new_session: bool = False,
    stop_timeout: float = CHILD_STOP_TIMEOUT,
    limit: float | None = None,
) -> Opening[ChildProcess]:
    """Start a child process: ``async with sluiceway.spawn("sort", "-u") as child``.

    ``child.stdio`` is one Stream: it sends to the child's standard input, and reads from its standard output.

    At the end of the block the streams are closed, and the child has ``stop_timeout`` seconds to end by itself. To wait
    longer, ``await child.wait()`` in the block. A child that has not ended by itself gets SIGTERM. After an exception
    or a cancellation in the block, the child gets SIGTERM at once. If it has not ended ``stop_timeout`` seconds after
    SIGTERM, it gets SIGKILL. The end of the block waits until the child has ended, and reaps it. If this wait is
    cancelled, the child gets SIGKILL at once, and nothing waits for its end. Children of the child get no signal.

    Args:
        command (str, bytes or os.PathLike): the program and its arguments. No shell interprets them.
        stderr (int, file or None): None leaves the child the standard error of this process. ``subprocess.PIPE`` makes
            ``child.stderr`` a Stream, ``subprocess.STDOUT`` joins it to the output, ``subprocess.DEVNULL`` discards it,
            and a descriptor or file receives it.
        cwd (str, bytes, os.PathLike or None): the working directory of the child. None means that of this process.
        env (mapping or None): the environment of the child. None means that of this process.
        start_new_session (bool): True runs the child in a session of its own, where Ctrl-C does not reach it.
        stop_timeout (float): the seconds that the child has to end, as described above.
        limit (int, math.inf or None): the limit of each reader in bytes; see StreamReader.

    Returns:
        An object to ``await`` or to use with ``async with``, once. Both give a ChildProcess. After ``await`` the caller
        ends it with ``aclose()``.

    Raises:
        OSError: the program cannot be started, for example FileNotFoundError; or the process has no free descriptor.
            Raised by ``await``.
        ValueError, TypeError: an argument is invalid. Raised by ``spawn()``, before ``await``.
        NotImplementedError: the system is Windows.
        RuntimeError: the returned object was used a second time.

    The child inherits no descriptor but its standard streams.

    Source: trio's ``run_process``, ``asyncio.create_subprocess_exec``.
    """
    require_pipes("spawn()")
    if not command or command[0] in ("", b""):
        raise ValueError("spawn() needs the name of a program")
    for argument in command:
        _check_path(argument, "each argument")
    _check_options(stderr, cwd, env, start_new_session)
    core.as_seconds(stop_timeout, "spawn(): stop_timeout", required=True)
    size = core.as_limit(limit, "spawn")
    options = {"stderr": stderr, "cwd": cwd, "env": env, "start_new_session": start_new_session}
    name = os.fsdecode(command[0])
    return _ChildOpening(f"spawn({name!r})", lambda: _start(command, options, stop_timeout, size))


class _ChildOpening(Opening[ChildProcess]):
    """The Opening of a child. It kills the child if a signal handler raises during ``__aexit__()``.

    If the handler raises before the first statement of ``__aexit__()``, no code of the method runs. The traceback of
    the exception then still refers to the Opening. In this case the child is killed when the Opening is freed: when the
    traceback is freed, or at the end of the process.
    """

    __slots__ = ()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        child = self._opened
        try:
            await super().__aexit__(exc_type, exc, traceback)
        except BaseException:
            # A signal handler may raise where a method of the child begins, outside its own try statement.
            if child is not None:
                child._kill_quietly()
            raise

    def __del__(self) -> None:
        super().__del__()
        try:
            child = self._opened
        except AttributeError:
            # A signal handler has raised before __init__().
            return
        if child is not None:
            child._kill_quietly()


def _check_path(value: Any, name: str) -> None:
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"spawn(): {name} must be a str, bytes or os.PathLike, not {type(value).__name__!r}: {value!r}")
    try:
        encoded = os.fsencode(value)
    except UnicodeError as error:
        raise ValueError(f"spawn(): {name} must be encodable: {value!r} ({error})") from None
    if b"\0" in encoded:
        raise ValueError(f"spawn(): {name} must not contain a NUL byte: {value!r}")


def _check_options(stderr: Any, cwd: Any, env: Any, start_new_session: Any) -> None:
    if cwd is not None:
        _check_path(cwd, "cwd")
    if env is not None:
        if not isinstance(env, Mapping):
            raise TypeError(f"spawn(): env must be a mapping or None, not {type(env).__name__!r}: {env!r}")
        for name, value in env.items():
            _check_path(name, "each name of env")
            if "=" in os.fsdecode(name):
                raise ValueError(f"spawn(): each name of env must not contain '=': {name!r}")
            _check_path(value, f"the value of {name!r} in env")
    if not isinstance(start_new_session, bool):
        raise TypeError(f"spawn(): start_new_session must be a bool, not {start_new_session!r}")
    if stderr is None or (type(stderr) is int and stderr in (subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL)):
        return
    try:
        os.fstat(stderr if type(stderr) is int else stderr.fileno())
    except (AttributeError, TypeError, OSError, ValueError, OverflowError):
        raise ValueError(
            "spawn(): stderr must be None, subprocess.PIPE, STDOUT or DEVNULL, an open descriptor, or an open file "
            f"with one, not {stderr!r}"
        ) from None


def _popen(command: tuple[Argument, ...], options: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the process. As in asyncio, this blocks the loop until exec() in the child has succeeded or failed."""
    try:
        return subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
    except FileNotFoundError as error:
        words = os.fsdecode(command[0]).split()
        # Otherwise ``cwd`` does not exist.
        if len(command) == 1 and len(words) > 1 and error.filename == command[0]:
            arguments = ", ".join(map(repr, words))
            error.add_note(f"spawn() splits no command line; pass program and arguments one by one: spawn({arguments})")
        raise


def _name_files(files: list[Any], pid: int) -> None:
    """Name the pipes of a child, for messages."""
    for name, file in zip(("stdout", "stdin", "stderr"), files, strict=True):
        if file is not None:
            file.name = f"<{name} of child {pid}>"


async def _start(
    command: tuple[Argument, ...], options: dict[str, Any], stop_timeout: float, limit: int
) -> ChildProcess:
    loop = asyncio.get_running_loop()
    child_exit = None
    streams: list[Stream] = []
    process = _popen(command, options)
    files: list[Any] = [process.stdout, process.stdin, process.stderr]
    # The module subprocess keeps the Popen of a running child that was dropped. The pipes must not stay open.
    process.stdout = process.stdin = process.stderr = None
    try:
        # Not a loop here: CPython 3.12 calls no except clause for an exception of a signal handler at the end of an
        # iteration that ends with an if statement.
        _name_files(files, process.pid)
        child_exit = ChildExit(loop, process)
        streams.append(open_stream(loop, files[0], files[1], limit))
        if files[2] is not None:
            streams.append(open_stream(loop, files[2], None, limit))
        stderr = streams[1] if len(streams) > 1 else None
        return ChildProcess(process, child_exit, streams[0], stderr, stop_timeout)
    except BaseException:
        stop_quietly(process, 9)
        for stream in streams:
            stream.abort()
        for file in files:
            if file is not None:
                close_file(loop, file)
        if child_exit is None:
            # Nothing else waits for the process, which usually ends at once.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        raise
