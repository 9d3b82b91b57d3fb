"""A real redis-server on loopback, with a plain and a TLS port; it stores nothing on disk.

``with start_redis_server(directory, tls, "tls-auth-clients yes") as (port, tls_port)``: the strings are further
lines of its configuration. The test is skipped if redis-server is not installed.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
from collections.abc import Iterator

import pytest

from support.certificates import Certificates
from support.external_programs import environment_without_preload, require_program

START_ATTEMPTS = 5


@contextlib.contextmanager
def start_redis_server(directory: str | pathlib.Path, tls: Certificates, *lines: str) -> Iterator[tuple[int, int]]:
    """Run redis-server in ``directory`` inside the block; yield its plain port and its TLS port."""
    program = require_program("redis-server")
    for _ in range(START_ATTEMPTS):
        # redis-server does not accept port 0; a port that was free a moment before is usually still free.
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            port, tls_port = one.getsockname()[1], other.getsockname()[1]
        configuration = [
            "bind 127.0.0.1",
            f"port {port}",
            f"tls-port {tls_port}",
            f"tls-cert-file {tls.certificate_file}",
            f"tls-key-file {tls.key_file}",
            'save ""',
            "appendonly no",
            *lines,
        ]
        with _started(program, directory, configuration) as ready:
            if ready:
                yield port, tls_port
                return
    pytest.fail("redis-server did not start")


@contextlib.contextmanager
def _started(program: str, directory: str | pathlib.Path, configuration: list[str]) -> Iterator[bool]:
    with subprocess.Popen(
        [program, "-"],
        cwd=os.fspath(directory),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment_without_preload(),
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write("\n".join(configuration) + "\n")
        server.stdin.close()
        try:
            yield any("eady to accept connections" in line for line in server.stdout)
        finally:
            server.kill()
