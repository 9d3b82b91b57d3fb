"""The programs of examples/, run as a user runs them.

``with running("chat_server.py", "127.0.0.1", "0") as program``: the program is ended with its block. ``program.port``
reads the port from its first line, "listening on …:PORT".
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

from support.package import package_directory
from support.timeouts import PEER_TIMEOUT, PROCESS_TIMEOUT

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


class Program:
    """A running example, with text streams of its standard input, output and error."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdin: IO[str] = process.stdin
        self.stdout: IO[str] = process.stdout
        self.stderr: IO[str] = process.stderr

    def port(self) -> int:
        line = self.stdout.readline()
        assert line.startswith("listening on "), line + self.stderr.read()
        return int(line.rpartition(":")[2])


def arguments_of(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", os.fspath(EXAMPLES / name), *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(package_directory().parent)}


@contextlib.contextmanager
def running(name: str, *arguments: str) -> Iterator[Program]:
    """Run an example inside the block, and end it with SIGTERM if it has not ended."""
    with subprocess.Popen(
        arguments_of(name, *arguments),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        try:
            yield Program(process)
            process.terminate()
            assert process.wait(PROCESS_TIMEOUT) in (0, -signal.SIGTERM)
        finally:
            process.kill()


@contextlib.contextmanager
def connected(port: int) -> Iterator[tuple[socket.socket, IO[bytes]]]:
    """Yield a blocking socket that is connected to a port of loopback, and a file to read from it."""
    with socket.create_connection(("127.0.0.1", port), timeout=PEER_TIMEOUT) as sock, sock.makefile("rb") as file:
        yield sock, file
