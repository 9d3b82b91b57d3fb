"""S11: a program with client and server ends without output under -X dev, -W error and asyncio's debug mode."""

import os
import subprocess
import sys

import pytest

from support.certificates import Certificates
from support.package import package_directory
from support.timeouts import PROCESS_TIMEOUT

PROGRAM = """
import asyncio, contextlib, ssl, sys
import sluiceway

server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
server_context.load_cert_chain(sys.argv[2], sys.argv[3])
client_context = ssl.create_default_context(cafile=sys.argv[4])


async def echo(reader, writer):
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def upgrading(reader, writer):
    assert await reader.readline() == b"STARTTLS\\n"
    writer.write(b"go\\n")
    await writer.start_tls(server_context)
    await echo(reader, writer)


async def visit(reader, writer, upgrade=False):
    if upgrade:
        writer.write(b"STARTTLS\\n")
        assert await reader.readline() == b"go\\n"
        await writer.start_tls(client_context, server_hostname="localhost")
    for number in range(30):
        writer.write(b"%d " % number * 1000 + b"\\n")
        assert (await reader.readline()).startswith(b"%d " % number)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(reader.readline(), 0.001)
    writer.close()
    await writer.wait_closed()


async def main():
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 60
    path = sys.argv[5]
    async with (
        await sluiceway.start_server(echo, "127.0.0.1", 0) as plain,
        await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=server_context) as encrypted,
        await sluiceway.start_server(upgrading, "127.0.0.1", 0) as later,
        await sluiceway.start_unix_server(echo, path),
    ):
        port = lambda server: server.sockets[0].getsockname()[1]
        await visit(*await sluiceway.open_connection("127.0.0.1", port(plain)))
        await visit(*await sluiceway.open_connection("127.0.0.1", port(plain), happy_eyeballs_delay=0.25))
        await visit(*await sluiceway.open_connection("localhost", port(encrypted), ssl=client_context))
        await visit(*await sluiceway.open_connection("127.0.0.1", port(later)), upgrade=True)
        await visit(*await sluiceway.open_unix_connection(path))
        await asyncio.gather(*[
            visit(*await sluiceway.open_connection("127.0.0.1", port(plain))) for _ in range(10)
        ])
    # asyncio.run ends the rest: a server that serves, a handler that waits, a connection that is open.
    server = await sluiceway.start_server(echo, "127.0.0.1", 0)
    forever = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    forever.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await forever


if sys.argv[1] == "uvloop":
    import uvloop

    factory = uvloop.new_event_loop
else:
    factory = asyncio.new_event_loop
with asyncio.Runner(debug=True, loop_factory=factory) as runner:
    runner.run(main())
print("done")
"""


@pytest.mark.loops("asyncio", "uvloop")
def test_echo_program_ends_without_output(loop_kind: str, tls: Certificates, unix_path: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM),
            *(loop_kind, tls.certificate_file, tls.key_file, tls.ca_file, unix_path),
        ],
        env={**os.environ, "PYTHONPATH": str(package_directory().parent)},
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )
    assert (done.stderr, done.stdout, done.returncode) == ("", "done\n", 0)


UNFINISHED_PROGRAM = """
import asyncio, socket, sys
import sluiceway


async def echo(reader, writer):
    try:
        await reader.read()
    finally:
        writer.close()


async def main():
    asyncio.get_running_loop().slow_callback_duration = 60
    server = await sluiceway.start_server(echo, "127.0.0.1", 0)
    reader, writer = await sluiceway.open_connection(*server.sockets[0].getsockname())
    waiting = asyncio.create_task(reader.readline())
    while not server.handlers:
        await asyncio.sleep(0)
    server.close()
    writer.close()
    # asyncio.run cancels the handler and the read, and closes the loop.


asyncio.run(main(), debug=True)
print("done")
"""


def test_program_that_leaves_server_and_connection_open_ends_without_output() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", UNFINISHED_PROGRAM],
        env={**os.environ, "PYTHONPATH": str(package_directory().parent)},
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )
    assert (done.stderr, done.stdout, done.returncode) == ("", "done\n", 0)
