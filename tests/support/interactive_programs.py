"""Programs that a test controls through their standard input and output: openssl's, and one in Go.

``with openssl("s_client", …) as program``: ``program.write("text")`` writes to stdin; ``await program.expect("text")``
waits for a match in the output, stderr included; ``await program.read_to_end()`` waits for the exit. The fixture
``go_peer`` is compiled once per run. The programs are killed at the end of the block.
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
from support.external_programs import environment_without_preload, require_program
from support.timeouts import PEER_TIMEOUT, PROCESS_TIMEOUT


async def echo_with_prefix(reader: Any, writer: Any) -> None:
    """Echo each line, prefixed with ``got``."""
    with contextlib.suppress(OSError):
        async for line in reader:
            writer.write(b"got " + line)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class InteractiveProgram:
    """A process and its output so far."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._unread = b""
        self._output = b""

    def write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    async def expect(self, pattern: str) -> "re.Match[str]":
        """Wait for output that matches, after the previous match."""
        return await asyncio.to_thread(self._expect, pattern)

    async def read_to_end(self) -> str:
        """Wait for the exit; return the output after the last match."""
        return await asyncio.to_thread(self._read_to_end)

    def _expect(self, pattern: str) -> "re.Match[str]":
        while not (match := re.search(pattern, self._unread.decode(errors="replace"))):
            if not self._read_some():
                pytest.fail(f"it exited without the output {pattern!r} after {self._output.decode(errors='replace')}")
        self._unread = self._unread.decode(errors="replace")[match.end() :].encode()
        return match

    def _read_to_end(self) -> str:
        while self._read_some():
            pass
        output, self._unread = self._unread.decode(errors="replace"), b""
        return output

    def _read_some(self) -> bool:
        assert self._process.stdout is not None
        stdout = self._process.stdout.fileno()
        deadline = time.monotonic() + PEER_TIMEOUT
        if not select.select([stdout], [], [], deadline - time.monotonic())[0]:
            pytest.fail(f"no output for {PEER_TIMEOUT} s after: {self._output.decode(errors='replace')}")
        part = os.read(stdout, 1 << 16)
        self._unread += part
        self._output += part
        return bool(part)


@contextlib.contextmanager
def run_interactive(*command: str | pathlib.Path) -> Iterator[InteractiveProgram]:
    """Run a program inside the block."""
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment_without_preload(),
    )
    try:
        yield InteractiveProgram(process)
    finally:
        with contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.close()
        process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


@contextlib.contextmanager
def openssl(command: str, *options: str) -> Iterator[InteractiveProgram]:
    with run_interactive(require_program("openssl"), command, *options) as program:
        yield program


@contextlib.contextmanager
def s_client(address: tuple[str, int], tls: Certificates, *options: str) -> Iterator[InteractiveProgram]:
    """Run ``openssl s_client``, which trusts the tests' authority and ends if a certificate is wrong."""
    trusting = ("-CAfile", tls.ca_file, "-verify_return_error", "-servername", "localhost")
    with openssl("s_client", "-connect", f"{address[0]}:{address[1]}", *trusting, *options) as program:
        yield program


@contextlib.contextmanager
def s_server(
    tls: Certificates, *options: str
) -> Iterator[tuple[InteractiveProgram, "asyncio.Future[tuple[str, int]]"]]:
    """Run ``openssl s_server`` on a port that the kernel chooses; the future is its address."""
    own = ("-accept", "127.0.0.1:0", "-cert", tls.certificate_file, "-key", tls.key_file, "-CAfile", tls.ca_file)
    with openssl("s_server", *own, *options) as program:
        yield program, asyncio.ensure_future(_address(program))


async def _address(program: InteractiveProgram) -> tuple[str, int]:
    found = await program.expect(r"ACCEPT (\S+):(\d+)\n")
    return found[1], int(found[2])


def compile_go(source: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Compile one Go file into a program in ``directory``, unless it exists; return its path."""
    compiler = require_program("go", "golang-go")
    binary = directory / source.stem
    if not binary.exists():
        subprocess.run(
            [compiler, "build", "-o", binary, source],
            check=True,
            timeout=PROCESS_TIMEOUT,
            env=environment_without_preload(),
        )
    return binary


@pytest.fixture(scope="session")
def go_peer(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The program tests/tls/interop/go/peer.go; its first comment describes the arguments."""
    source = pathlib.Path(__file__).resolve().parent.parent / "tls" / "interop" / "go" / "peer.go"
    return compile_go(source, tmp_path_factory.mktemp("go"))
