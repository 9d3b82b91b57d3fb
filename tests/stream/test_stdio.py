"""stdio(): standard input and output as a Stream, whatever they are, and they stay in blocking mode."""

import contextlib
import os
import pathlib
import pty
import select
import socket
import subprocess
import sys
import tty
from collections.abc import Iterator
from typing import Any

import pytest

from support.package import package_directory
from support.timeouts import PEER_TIMEOUT, PROCESS_TIMEOUT

PROGRAM = """
import asyncio, os, sys
import sluiceway

async def main():
    async with sluiceway.stdio() as stream:
        print("during", os.get_blocking(0), os.get_blocking(1), file=sys.stderr)
        try:
            while (line := await stream.read_line()) not in (b"", b"end\\n"):
                await stream.send(line.upper())
        except ConnectionResetError:
            print("reset", file=sys.stderr)
    print("after", os.get_blocking(0), os.get_blocking(1), file=sys.stderr)

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main(), debug=sys.argv[1] == "debug")
"""
OWN_MODE = "during True True\nafter True True\n"
SHARED_MODE = "during False False\nafter True True\n"

pytestmark = pytest.mark.loops("asyncio", "uvloop")


@contextlib.contextmanager
def program(loop_kind: str, incoming: Any, outgoing: Any, errors: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the program in the block; at its end it must have ended with status 0 and written ``errors``."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, loop_kind],
        env={**os.environ, "PYTHONPATH": str(package_directory().parent)},
        stdin=incoming,
        stdout=outgoing,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
            assert process.stderr is not None
            assert process.stderr.read().decode() == errors
            assert process.wait(PROCESS_TIMEOUT) == 0
        finally:
            process.kill()


def test_pipes_are_read_and_written(loop_kind: str) -> None:
    with program(loop_kind, subprocess.PIPE, subprocess.PIPE, OWN_MODE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ONE\n"
        process.stdin.write(b"line\n" * 100 + b"rest")
        process.stdin.close()
        assert process.stdout.read() == b"LINE\n" * 100 + b"REST"


def test_fifo_that_its_writer_has_closed_is_read_to_its_end(loop_kind: str, tmp_path: pathlib.Path) -> None:
    """A descriptor that is opened later does not report the end. The writer may end before Python has started."""
    os.mkfifo(tmp_path / "fifo")
    # O_NONBLOCK: otherwise each of the two calls waits for the other.
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    with os.fdopen(reading, "rb", 0) as incoming:
        (tmp_path / "fifo").write_bytes(b"one\n")
        with program(loop_kind, incoming, subprocess.PIPE, "during False True\nafter True True\n") as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"ONE\n"


def test_fifo_that_its_writer_closes_later_is_read_to_its_end(loop_kind: str, tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    with os.fdopen(reading, "rb", 0) as incoming, open(tmp_path / "fifo", "wb", 0) as outgoing:
        with program(loop_kind, incoming, subprocess.PIPE, OWN_MODE) as process:
            assert process.stdout is not None
            outgoing.write(b"one\n")
            assert process.stdout.readline() == b"ONE\n"
            outgoing.close()
            assert process.stdout.read() == b""


def test_files_are_read_and_written(loop_kind: str, tmp_path: pathlib.Path) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(20_000))
    (tmp_path / "in").write_bytes(lines)
    (tmp_path / "out").write_bytes(b"before\n")
    with (
        open(tmp_path / "in", "rb") as incoming,
        open(tmp_path / "out", "ab") as outgoing,
        program(loop_kind, incoming, outgoing, OWN_MODE),
    ):
        pass
    assert (tmp_path / "out").read_bytes() == b"before\n" + lines.upper()


def test_null_device_is_empty_input(loop_kind: str) -> None:
    with program(loop_kind, subprocess.DEVNULL, subprocess.DEVNULL, OWN_MODE):
        pass


def test_two_socket_pairs_are_read_and_written(loop_kind: str) -> None:
    """Node.js gives its children such standard streams."""
    (ours_in, theirs_in), (ours_out, theirs_out) = socket.socketpair(), socket.socketpair()
    with (
        ours_in,
        ours_out,
        theirs_in,
        theirs_out,
        program(loop_kind, theirs_in, theirs_out, SHARED_MODE),
        ours_out.makefile("rb") as answers,
    ):
        ours_in.sendall(b"one\n")
        assert answers.readline() == b"ONE\n"
        ours_in.sendall(b"end\n")


def test_one_socket_for_both_is_read_and_written(loop_kind: str) -> None:
    """inetd starts programs in this way."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PEER_TIMEOUT)
    with ours, theirs, program(loop_kind, theirs, theirs, SHARED_MODE), ours.makefile("rb") as answers:
        ours.sendall(b"one\n")
        assert answers.readline() == b"ONE\n"
        ours.sendall(b"end\n")


def test_long_message_of_a_socket_is_kept(loop_kind: str) -> None:
    """The kernel drops what a read leaves of a message."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    message = b"line\n" * 30_000
    with ours, theirs, program(loop_kind, theirs, subprocess.PIPE, "during False True\nafter True True\n") as process:
        ours.sendall(message)
        ours.close()
        assert process.stdout is not None
        assert process.stdout.read() == message.upper()


def test_reset_of_a_socket_is_reported_after_the_data(loop_kind: str) -> None:
    """Both have arrived before the loop starts: uvloop reports the error once, in one event with the data."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"unread")
        ours.sendall(b"one\n")
        # With unread data, the close is a reset.
        ours.close()
        with program(loop_kind, theirs, subprocess.PIPE, "during False True\nreset\nafter True True\n") as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"ONE\n"


def test_terminal_is_read_and_written_and_keeps_its_mode(loop_kind: str) -> None:
    main, terminal = pty.openpty()
    tty.setraw(terminal)
    with os.fdopen(main, "r+b", 0) as ours, os.fdopen(terminal, "r+b", 0) as theirs:
        with program(loop_kind, theirs, theirs, OWN_MODE):
            ours.write(b"one\n")
            assert ours.read(4) == b"ONE\n"
            ours.write(b"two\n")
            assert ours.read(4) == b"TWO\n"
            ours.write(b"end\n")
        assert os.get_blocking(terminal)


def test_controlling_side_of_terminal_is_read_and_written(loop_kind: str) -> None:
    """Opening it again, as a terminal, would create another one, from which nothing is ever read."""
    main, terminal = pty.openpty()
    tty.setraw(terminal)
    with os.fdopen(main, "r+b", 0) as theirs, os.fdopen(terminal, "r+b", 0) as ours:
        with program(loop_kind, theirs, theirs, SHARED_MODE):
            ours.write(b"one\n")
            assert select.select([ours], [], [], PEER_TIMEOUT)[0]
            assert ours.read(4) == b"ONE\n"
            ours.write(b"end\n")
        assert os.get_blocking(main)


def errors_of(*command: str) -> str:
    """Run ``command``, whose standard input is a pipe. Return what it writes to standard error."""
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(package_directory().parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )
    return done.stderr.decode().rstrip()


def test_closed_standard_input_raises_os_error() -> None:
    code = """
import asyncio, os
import sluiceway

async def main():
    os.close(0)
    await sluiceway.stdio()

asyncio.run(main())
"""
    assert errors_of(sys.executable, "-c", code).endswith("stdio(): standard input is closed")


@pytest.mark.parametrize(("descriptor", "name"), [(0, "input"), (1, "output")])
def test_program_that_starts_without_standard_stream_raises_os_error(descriptor: int, name: str) -> None:
    """The first descriptor that the program opens, such as that of the event loop, gets the free number."""
    code = "import asyncio, sluiceway; asyncio.run(sluiceway.stdio())"
    errors = errors_of("sh", "-c", f'exec "$0" "$@" {descriptor}<&-', sys.executable, "-c", code)
    assert errors.endswith(f"stdio(): standard {name} is closed")


@pytest.mark.parametrize("function", ["fstat", "open"])
def test_error_of_a_signal_handler_is_raised(function: str) -> None:
    code = f"""
import asyncio, os
import sluiceway

original = os.{function}

def interrupted(file, *arguments):
    if file in (0, "/proc/self/fd/0"):
        raise TimeoutError("in a signal handler")
    return original(file, *arguments)

async def main():
    os.{function} = interrupted
    await sluiceway.stdio()

asyncio.run(main())
"""
    assert errors_of(sys.executable, "-c", code).endswith("TimeoutError: in a signal handler")
