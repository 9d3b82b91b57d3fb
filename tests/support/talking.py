"""Programs that a test talks to over their standard input and output: openssl's, and one in Go.

``with openssl("s_client", …) as program``: ``program.say("text")`` writes, ``await program.until("text")`` waits for
what it says, error output included, and returns everything up to there; ``await program.rest()`` waits for its end.
The fixture ``go_peer`` is compiled once per run. All of them are killed at the end of the block.
"""

import asyncio
import contextlib
import os
import pathlib
import re
import select
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.certificates import Certificates
from support.patience import FACTOR
from support.programs import foreign_environment, require_program

# Seconds until a program that says nothing has failed.
PATIENCE = 10.0 * FACTOR


async def answer(reader: Any, writer: Any) -> None:
    """Serve a program that talks: each line comes back behind ``got``."""
    with contextlib.suppress(OSError):
        async for line in reader:
            writer.write(b"got " + line)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class Program:
    """A process, and what it has said so far."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._unread = b""
        self._said = b""

    def say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    def end_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def until(self, pattern: str) -> "re.Match[str]":
        """Wait for text that matches, behind what was waited for before."""
        return await asyncio.to_thread(self._until, pattern)

    async def rest(self) -> str:
        """Wait for the program's end; return what it said since it was last waited for."""
        return await asyncio.to_thread(self._rest)

    def _until(self, pattern: str) -> "re.Match[str]":
        while not (match := re.search(pattern, self._unread.decode(errors="replace"))):
            if not self._more():
                pytest.fail(f"it ended and did not say {pattern!r} but {self._said.decode(errors='replace')}")
        self._unread = self._unread.decode(errors="replace")[match.end() :].encode()
        return match

    def _rest(self) -> str:
        while self._more():
            pass
        said, self._unread = self._unread.decode(errors="replace"), b""
        return said

    def _more(self) -> bool:
        assert self._process.stdout is not None
        stdout = self._process.stdout.fileno()
        deadline = time.monotonic() + PATIENCE
        if not select.select([stdout], [], [], deadline - time.monotonic())[0]:
            pytest.fail(f"nothing more for {PATIENCE} s after: {self._said.decode(errors='replace')}")
        part = os.read(stdout, 1 << 16)
        self._unread += part
        self._said += part
        return bool(part)


@contextlib.contextmanager
def talking(*command: str | pathlib.Path) -> Iterator[Program]:
    """Run a program as long as the block lasts."""
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=foreign_environment(),
    )
    try:
        yield Program(process)
    finally:
        with contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.close()
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


@contextlib.contextmanager
def openssl(command: str, *options: str) -> Iterator[Program]:
    with talking(require_program("openssl"), command, *options) as program:
        yield program


@contextlib.contextmanager
def s_client(address: tuple[str, int], tls: Certificates, *options: str) -> Iterator[Program]:
    """``openssl s_client`` that trusts the tests' authority and goes no further where a certificate is wrong."""
    trusting = ("-CAfile", tls.ca_file, "-verify_return_error", "-servername", "localhost")
    with openssl("s_client", "-connect", f"{address[0]}:{address[1]}", *trusting, *options) as program:
        yield program


@contextlib.contextmanager
def s_server(tls: Certificates, *options: str) -> Iterator[tuple[Program, "asyncio.Future[tuple[str, int]]"]]:
    """``openssl s_server`` on a port of the kernel's choice; the future is its address."""
    own = ("-accept", "127.0.0.1:0", "-cert", tls.certificate_file, "-key", tls.key_file, "-CAfile", tls.ca_file)
    with openssl("s_server", *own, *options) as program:
        yield program, asyncio.ensure_future(_address(program))


async def _address(program: Program) -> tuple[str, int]:
    found = await program.until(r"ACCEPT (\S+):(\d+)\n")
    return found[1], int(found[2])


def compile_go(source: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Compile one file of Go into a program in ``directory``, unless it is there already; return its path."""
    compiler = require_program("go", "golang-go")
    binary = directory / source.stem
    if not binary.exists():
        subprocess.run(
            [compiler, "build", "-o", binary, source], check=True, timeout=55 * FACTOR, env=foreign_environment()
        )
    return binary


@pytest.fixture(scope="session")
def go_peer(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The program tests/tls/go/peer.go, which says at its top how it is called."""
    source = pathlib.Path(__file__).resolve().parent.parent / "tls" / "go" / "peer.go"
    return compile_go(source, tmp_path_factory.mktemp("go"))
