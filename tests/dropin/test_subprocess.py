"""S12: the pipes of asyncio.create_subprocess_exec and _shell use sluiceway while it is installed.

Each test also runs on asyncio's own streams.
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from dropin.traffic_counter import Traffic, count_traffic
from support.child_watchers import join_watchers

LARGE = 4 << 20
ECHO = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"


@pytest.fixture(params=["asyncio", "installed"])
def traffic(request: pytest.FixtureRequest, cleanup: contextlib.ExitStack) -> Iterator[Traffic]:
    """Count the traffic of sluiceway's streams: none if it is not installed."""
    cleanup.callback(join_watchers)
    ours = request.param == "installed"
    with count_traffic() as counted, sluiceway.installed() if ours else contextlib.nullcontext():
        yield counted
        assert (counted.bytes_read + counted.bytes_written > 0) is ours
        assert (counted.asyncio_calls == 0) is ours


async def wait_for_closed_input(process: Any) -> None:
    # Some releases of Python 3.11, such as 3.11.2, call the loop's exception handler if nobody waits for the end.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await process.stdin.wait_closed()


async def start_python(program: str, *arguments: str, **options: Any) -> Any:
    return await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", program, *arguments, **options)


async def test_communicate_returns_output_of_child(traffic: Traffic) -> None:
    data = bytes(range(256)) * (LARGE // 256)
    process = await start_python(ECHO, stdin=PIPE, stdout=PIPE)
    out, err = await process.communicate(data)
    assert process.returncode == 0
    assert out == data
    assert err is None


async def test_lines_of_child_are_read(traffic: Traffic) -> None:
    process = await start_python("for n in range(1000): print(n)", stdout=PIPE)
    assert await process.stdout.readline() == b"0\n"
    assert await process.stdout.readuntil(b"2\n") == b"1\n2\n"
    assert [int(line) async for line in process.stdout] == list(range(3, 1000))
    assert await process.wait() == 0


async def test_child_answers_each_line(traffic: Traffic) -> None:
    program = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    process = await start_python(program, stdin=PIPE, stdout=PIPE)
    for question in (b"one\n", b"two\n"):
        process.stdin.write(question)
        await process.stdin.drain()
        assert await process.stdout.readline() == question.upper()
    process.stdin.close()
    await process.stdin.wait_closed()
    assert await process.stdout.read() == b""
    assert await process.wait() == 0


async def test_both_outputs_of_shell_are_read(traffic: Traffic) -> None:
    process = await asyncio.create_subprocess_shell("echo out; echo err >&2; exit 3", stdout=PIPE, stderr=PIPE)
    assert await process.communicate() == (b"out\n", b"err\n")
    assert process.returncode == 3
    process = await asyncio.create_subprocess_shell("echo out; echo err >&2", stdout=PIPE, stderr=STDOUT)
    assert await process.communicate() == (b"out\nerr\n", None)


async def test_drain_waits_for_child_that_does_not_read(traffic: Traffic) -> None:
    program = "import sys; sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.readline(); "
    process = await start_python(program + "print(len(sys.stdin.buffer.read()))", stdin=PIPE, stdout=PIPE)
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.write(b"\n" + b"x" * LARGE)
    await process.stdin.drain()
    process.stdin.write_eof()
    assert int(await process.stdout.read()) > 0
    assert await process.wait() == 0


async def test_unread_output_pauses_child(traffic: Traffic) -> None:
    process = await start_python(f"import sys; sys.stdout.write('x' * {LARGE})", stdout=PIPE, limit=4096)
    while not process.stdout._paused:
        await asyncio.sleep(0)
    assert len(await process.stdout.readexactly(LARGE)) == LARGE
    assert await process.stdout.read() == b""
    assert await process.wait() == 0


async def test_limit_is_limit_of_child_output(traffic: Traffic) -> None:
    process = await start_python("print('x' * 1000); print('y')", stdout=PIPE, limit=100)
    with pytest.raises(ValueError, match="limit"):
        await process.stdout.readline()
    assert (await process.stdout.read()).endswith(b"y\n")
    assert await process.wait() == 0


async def test_drain_raises_when_child_closes_its_input(traffic: Traffic) -> None:
    program = "import os, sys; os.close(0); print('closed', flush=True); sys.stdout.close(); os.close(1)"
    process = await start_python(program, stdin=PIPE, stdout=PIPE)
    assert await process.stdout.readline() == b"closed\n"
    # asyncio's writer on uvloop may find the handle closed first.
    others = () if asyncio.StreamWriter is sluiceway.StreamWriter else (RuntimeError,)
    with pytest.raises((BrokenPipeError, ConnectionResetError, *others)):
        while True:
            process.stdin.write(b"x" * 65536)
            await process.stdin.drain()
    assert await process.wait() == 0
    await wait_for_closed_input(process)


async def test_communicate_ignores_closed_input_of_child(traffic: Traffic) -> None:
    # The child reads a byte first: asyncio's writer on uvloop refuses a write after the child has closed its input.
    process = await start_python("import os; os.read(0, 1); os.close(0); print('deaf')", stdin=PIPE, stdout=PIPE)
    out, _ = await process.communicate(b"x" * LARGE)
    assert out == b"deaf\n"
    await wait_for_closed_input(process)


async def test_killed_child_ends_stream(traffic: Traffic) -> None:
    process = await start_python("print('alive', flush=True); import signal; signal.pause()", stdout=PIPE)
    assert await process.stdout.readline() == b"alive\n"
    reading = asyncio.ensure_future(process.stdout.read())
    await asyncio.sleep(0)
    process.kill()
    assert await reading == b""
    assert await process.wait() == -signal.SIGKILL


async def test_cancelled_read_of_child_output_keeps_bytes(traffic: Traffic) -> None:
    program = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    process = await start_python(program, stdin=PIPE, stdout=PIPE)
    reading = asyncio.ensure_future(process.stdout.readexactly(8))
    process.stdin.write(b"abc\n")
    while len(process.stdout._buffer) < 4:
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    process.stdin.write(b"def\n")
    process.stdin.close()
    assert await process.stdout.readexactly(8) == b"abc\ndef\n"
    assert await process.wait() == 0


@pytest.mark.loops("asyncio", "uvloop")
async def test_pipes_are_streams_of_sluiceway_while_installed(cleanup: contextlib.ExitStack) -> None:
    cleanup.callback(join_watchers)
    with sluiceway.installed():
        process = await start_python("print()", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert type(process.stdin) is sluiceway.StreamWriter
    assert type(process.stdout) is type(process.stderr) is sluiceway.StreamReader
    await process.communicate()
