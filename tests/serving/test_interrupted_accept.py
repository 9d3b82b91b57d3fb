"""A signal handler that raises while a connection is accepted leaks no descriptor, at whichever instruction it runs."""

import gc
import itertools
import socket
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from sluiceway import ENGINE
from sluiceway._net.accept_socket import SocketSource
from support.file_descriptors import open_descriptors


class InterruptError(BaseException):
    """What the signal handler raises."""


def interrupted(call: Callable[[], object], number: int) -> bool:
    """Raise InterruptError before the instruction ``number`` of ``call()``; return False if it has fewer."""
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left < 0:
                raise InterruptError
        return trace

    before = sys.gettrace()
    # Python 3.12 reports instructions only if a frame has asked for them before settrace().
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        call()
    except InterruptError:
        return True
    finally:
        sys.settrace(before)
    return False


def sources() -> list[Callable[[socket.socket], Any]]:
    """Return the classes whose accept() the listener of a server calls."""
    if ENGINE != "epoll":
        return [SocketSource]
    from sluiceway._transports.epoll.listening_socket import ListeningSocket

    return [SocketSource, ListeningSocket]


@pytest.mark.parametrize("then", ["accept", "close", "drop"])
@pytest.mark.parametrize("source_of", sources())
def test_interrupt_at_each_instruction_of_an_accept_leaks_no_descriptor(
    source_of: Callable[[socket.socket], Any], then: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        for number in itertools.count():
            gc.collect()
            before = open_descriptors()
            source = source_of(listener)
            with warnings.catch_warnings():
                # The socket of an interrupted accept is closed by its end.
                warnings.simplefilter("ignore", ResourceWarning)
                with socket.create_connection(address):
                    was_interrupted = interrupted(lambda source=source: source.accept()[0].close(), number)
                if then == "accept":
                    with socket.create_connection(address):
                        source.accept()[0].close()
                elif then == "close":
                    source.close()
                source = None
                gc.collect()
            assert open_descriptors() == before, f"interrupted before instruction {number}"
            if not was_interrupted:
                break
        assert number > (20 if source_of is SocketSource else 3)
