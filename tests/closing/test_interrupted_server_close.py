"""An exception of a signal handler at any place of Server.close(): the next call, or wait_closed(), does the rest."""

import itertools
import os
import types
from typing import Any

import pytest

import sluiceway
from support.interrupts import Interrupt

PACKAGE = os.path.dirname(sluiceway.__file__) + os.sep


def in_package(frame: types.FrameType) -> bool:
    # The interpreter ignores an exception in __del__().
    caller = frame.f_back
    names = (frame.f_code.co_name, caller.f_code.co_name if caller is not None else "")
    return frame.f_code.co_filename.startswith(PACKAGE) and "__del__" not in names


@pytest.mark.parametrize("again", ["close", "wait_closed"])
async def test_interrupted_close_is_completed_by_the_next_call(again: str) -> None:
    for number in itertools.count():
        server: Any = await sluiceway.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        [listening] = server.sockets
        interrupt = Interrupt(number, ZeroDivisionError, in_package)
        try:
            with interrupt.active():
                server.close()
        except ZeroDivisionError:
            # Before its first statement, the call has changed nothing.
            if again == "close" or server.sockets:
                server.close()
        await server.wait_closed()
        assert not server.is_serving()
        assert server.sockets == ()
        assert listening.fileno() == -1, interrupt.at
        if not interrupt.at:
            break
    assert number > 3
