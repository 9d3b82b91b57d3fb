"""S12: the pipes of asyncio.create_subprocess_exec and _shell run on sluiceway while it is installed.

Each test runs on asyncio's own streams too.
"""

import asyncio
import contextlib
import signal
import sys
import threading
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from dropin.traffic_counter import Traffic, count_traffic

MUCH = 4 << 20
ECHO = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"


@pytest.fixture(params=["asyncio", "installed"])
def traffic(request: pytest.FixtureRequest, cleanup: contextlib.ExitStack) -> Iterator[Traffic]:
    """What sluiceway's streams carry; none of it when it is not installed."""
    cleanup.callback(join_watchers)
    ours = request.param == "installed"
    with count_traffic() as counted, sluiceway.installed() if ours else contextlib.nullcontext():
        yield counted
        assert (counted.bytes_read + counted.bytes_written > 0) is ours
        assert (counted.asyncio_calls == 0) is ours


def join_watchers() -> None:
    # Python 3.11 waits for each child in a thread, which has told the loop and may not be gone yet.
    for thread in threading.enumerate():
        if thread.name.startswith(("waitpid-", "asyncio-waitpid-")):
            thread.join()


async def input_closed(process: Any) -> None:
    # Some releases of Python 3.11 (3.11.2 for one) tell the loop's exception handler of an end that nobody asked about.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await process.stdin.wait_closed()


async def python(program: str, *arguments: str, **options: Any) -> Any:
    return await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", program, *arguments, **options)


async def test_communicate(traffic: Traffic) -> None:
    data = bytes(range(256)) * (MUCH // 256)
    process = await python(ECHO, stdin=PIPE, stdout=PIPE)
    out, err = await process.communicate(data)
    assert process.returncode == 0
    assert out == data
    assert err is None


async def test_lines(traffic: Traffic) -> None:
    process = await python("for n in range(1000): print(n)", stdout=PIPE)
    assert await process.stdout.readline() == b"0\n"
    assert await process.stdout.readuntil(b"2\n") == b"1\n2\n"
    assert [int(line) async for line in process.stdout] == list(range(3, 1000))
    assert await process.wait() == 0


async def test_a_conversation(traffic: Traffic) -> None:
    program = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    process = await python(program, stdin=PIPE, stdout=PIPE)
    for question in (b"one\n", b"two\n"):
        process.stdin.write(question)
        await process.stdin.drain()
        assert await process.stdout.readline() == question.upper()
    process.stdin.close()
    await process.stdin.wait_closed()
    assert await process.stdout.read() == b""
    assert await process.wait() == 0


async def test_both_outputs_and_the_shell(traffic: Traffic) -> None:
    process = await asyncio.create_subprocess_shell("echo out; echo err >&2; exit 3", stdout=PIPE, stderr=PIPE)
    assert await process.communicate() == (b"out\n", b"err\n")
    assert process.returncode == 3
    process = await asyncio.create_subprocess_shell("echo out; echo err >&2", stdout=PIPE, stderr=STDOUT)
    assert await process.communicate() == (b"out\nerr\n", None)


async def test_a_child_that_does_not_read_makes_drain_wait(traffic: Traffic) -> None:
    program = "import sys; sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.readline(); "
    process = await python(program + "print(len(sys.stdin.buffer.read()))", stdin=PIPE, stdout=PIPE)
    assert await process.stdout.readline() == b"ready\n"
    process.stdin.write(b"\n" + b"x" * MUCH)
    await process.stdin.drain()
    process.stdin.write_eof()
    assert int(await process.stdout.read()) > 0
    assert await process.wait() == 0


async def test_a_child_that_writes_much_is_made_to_wait(traffic: Traffic) -> None:
    process = await python(f"import sys; sys.stdout.write('x' * {MUCH})", stdout=PIPE, limit=4096)
    while not process.stdout._paused:
        await asyncio.sleep(0)
    assert len(await process.stdout.readexactly(MUCH)) == MUCH
    assert await process.stdout.read() == b""
    assert await process.wait() == 0


async def test_the_limit_is_that_of_the_call(traffic: Traffic) -> None:
    process = await python("print('x' * 1000); print('y')", stdout=PIPE, limit=100)
    with pytest.raises(ValueError, match="limit"):
        await process.stdout.readline()
    assert (await process.stdout.read()).endswith(b"y\n")
    assert await process.wait() == 0


async def test_a_child_that_closes_its_input(traffic: Traffic) -> None:
    program = "import os, sys; os.close(0); print('closed', flush=True); sys.stdout.close(); os.close(1)"
    process = await python(program, stdin=PIPE, stdout=PIPE)
    assert await process.stdout.readline() == b"closed\n"
    # asyncio's writer on uvloop may come upon the closed handle first.
    others = () if asyncio.StreamWriter is sluiceway.StreamWriter else (RuntimeError,)
    with pytest.raises((BrokenPipeError, ConnectionResetError, *others)):
        while True:
            process.stdin.write(b"x" * 65536)
            await process.stdin.drain()
    assert await process.wait() == 0
    await input_closed(process)


async def test_communicate_ignores_a_child_that_does_not_want_to_hear(traffic: Traffic) -> None:
    process = await python("import os; os.close(0); print('deaf')", stdin=PIPE, stdout=PIPE)
    out, _ = await process.communicate(b"x" * MUCH)
    assert out == b"deaf\n"
    await input_closed(process)


async def test_a_killed_child_ends_the_stream(traffic: Traffic) -> None:
    process = await python("print('alive', flush=True); import signal; signal.pause()", stdout=PIPE)
    assert await process.stdout.readline() == b"alive\n"
    reading = asyncio.ensure_future(process.stdout.read())
    await asyncio.sleep(0)
    process.kill()
    assert await reading == b""
    assert await process.wait() == -signal.SIGKILL


async def test_a_cancelled_read_takes_nothing(traffic: Traffic) -> None:
    program = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    process = await python(program, stdin=PIPE, stdout=PIPE)
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
async def test_whose_the_pipes_are(cleanup: contextlib.ExitStack) -> None:
    cleanup.callback(join_watchers)
    with sluiceway.installed():
        process = await python("print()", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert type(process.stdin) is sluiceway.StreamWriter
    assert type(process.stdout) is type(process.stderr) is sluiceway.StreamReader
    await process.communicate()
