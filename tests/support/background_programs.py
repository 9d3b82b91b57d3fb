"""Programs that a page of the documents starts in the background, each on a port of its own choice.

``with running("microsocks -p 1080", folder, "1080", os.environ)``: the block begins when the port accepts connections,
and the program is ended behind it.
"""

import contextlib
import pathlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from support.external_programs import environment_without_preload, require_program, skip_missing

# Seconds until a program listens.
START_TIMEOUT = 30

NGINX_STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

PACKAGES = {"systemd-analyze": "systemd", "systemd-socket-activate": "systemd"}
"""The Debian packages of programs that are not named like theirs."""


def background_programs(text: str) -> dict[str, str]:
    """Return the commands of a shell text that end with ``&  # listens on port N``, by these ports."""
    found = re.findall(r"^(\S.*?) +& +# listens on port (\d+)$", text, flags=re.MULTILINE)
    return {port: command for command, port in found}


@contextlib.contextmanager
def reserved_port() -> Iterator[str]:
    """Yield a port that no other program gets from the kernel, and that a listener with SO_REUSEADDR can bind."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield str(holder.getsockname()[1])


@contextlib.contextmanager
def running(command: str, folder: pathlib.Path, port: str, environment: dict[str, str]) -> Iterator[None]:
    """Run a command in ``folder`` inside the block, or skip the test where its program is missing."""
    name, *arguments = command.split()
    if name == "systemd-socket-activate":
        # It passes no variable on by itself; the program must run in the configuration of the test.
        arguments[:0] = [f"--setenv={variable}" for variable in environment if re.match("SLUICEWAY_|PYTHON", variable)]
    with subprocess.Popen(
        [require_program(name, PACKAGES.get(name)), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment_without_preload(), "PATH": environment["PATH"]},
    ) as process:
        try:
            if not listens(process, port):
                process.kill()
                output = process.communicate()[0]
                if f'dlopen() "{NGINX_STREAM_MODULE}" failed' in output:
                    skip_missing("nginx has no stream module (Debian package libnginx-mod-stream)")
                pytest.fail(f"{command} does not listen:\n{output}", pytrace=False)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=START_TIMEOUT)


def listens(process: "subprocess.Popen[str]", port: str) -> bool:
    """Wait until ``port`` accepts connections; False where the process ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", int(port))).close()
            return True
        time.sleep(0.01)
    return False
