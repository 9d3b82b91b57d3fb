"""The socket object of an accepted connection is made in Python code, which threads and interrupts may enter."""

import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import pytest

import sluiceway
from support.connections import connected_pair
from support.timeouts import PROCESS_TIMEOUT

PROGRAM = Path(__file__).with_name("unclosed_loop_program.py")


@contextmanager
def called_in_constructor(callback: Callable[[], object]) -> Iterator[None]:
    """Call ``callback`` once, when ``socket.__init__`` has taken the descriptor and is about to return."""

    def profile(frame: types.FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is socket.__init__.__code__:
            sys.setprofile(None)
            callback()

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


async def test_two_simultaneous_uses_make_one_socket_object() -> None:
    async with connected_pair(sluiceway) as ((reader, _), (_, writer)):
        found = []
        with called_in_constructor(lambda: found.append(writer.transport._sock)):
            found.append(writer.transport._sock)
        assert found[0] is found[1] is writer.transport._sock
        writer.write(b"data\n")
        assert await reader.readline() == b"data\n"


async def test_interrupt_of_the_socket_object_keeps_the_connection_open() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    async with connected_pair(sluiceway) as ((reader, _), (_, writer)):
        with called_in_constructor(interrupt), pytest.raises(KeyboardInterrupt):
            writer.get_extra_info("socket")
        writer.write(b"data\n")
        assert await reader.readline() == b"data\n"
        assert writer.get_extra_info("socket").fileno() >= 0


async def test_close_during_the_making_of_the_socket_object_closes_once() -> None:
    async with connected_pair(sluiceway) as (_, (_, writer)):
        transport = writer.transport
        others: list[int] = []

        def close() -> None:
            transport.raw.discard()
            # Takes the free number. The second close would close this descriptor.
            others.append(os.open(os.devnull, os.O_RDONLY))

        with called_in_constructor(close):
            sock = transport._sock
        assert sock.fileno() == -1
        del sock
        os.close(others[0])


def test_exit_of_the_interpreter_with_an_unclosed_loop_prints_no_error() -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM],
        env=os.environ | {"PYTHONDEVMODE": "", "PYTHONWARNINGS": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_TIMEOUT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
