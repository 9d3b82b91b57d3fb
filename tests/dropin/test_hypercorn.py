"""S12: hypercorn runs on sluiceway and serves curl over https."""

import asyncio
import contextlib
import pathlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from dropin.import_order import IMPORT_ORDERS, import_in_order
from dropin.traffic_counter import count_traffic
from support.certificates import Certificates
from support.external_programs import require_program, skip_missing
from support.timeouts import PEER_TIMEOUT

pytestmark = [pytest.mark.loops("asyncio", "uvloop"), pytest.mark.parametrize("order", IMPORT_ORDERS)]

BODY = bytes(range(256)) * 4096


class Application:
    """Echoes the request body; a request for /slow is answered when ``release`` is set."""

    def __init__(self) -> None:
        self.slow_request = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert scope["scheme"] == "https"
        body = bytearray()
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["raw_path"])]})
        if scope["path"] == "/slow":
            self.slow_request.set()
            await self.release.wait()
        for start in range(0, len(body), 50_000):
            await send({"type": "http.response.body", "body": bytes(body[start : start + 50_000]), "more_body": True})
        await send({"type": "http.response.body"})


class RunningServer:
    """A hypercorn server that runs as a task."""

    def __init__(self, task: "asyncio.Task[None]", stop: asyncio.Event, port: int, application: Application) -> None:
        self.task = task
        self.port = port
        self.application = application
        self._stop = stop

    async def stop(self) -> None:
        """Stop the server and wait for its end."""
        self._stop.set()
        await self.task


@contextlib.asynccontextmanager
async def running_server(order: str, tls: Certificates) -> AsyncIterator[RunningServer]:
    library = import_in_order("hypercorn.asyncio", order)
    config = import_in_order("hypercorn.config", order).Config()
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    config.bind = [f"fd://{sock.detach()}"]
    config.certfile, config.keyfile = tls.certificate_file, tls.key_file
    config.graceful_timeout = PEER_TIMEOUT
    config.loglevel = "ERROR"
    application, stop = Application(), asyncio.Event()
    with sluiceway.installed():
        task = asyncio.get_running_loop().create_task(library.serve(application, config, shutdown_trigger=stop.wait))
        server = RunningServer(task, stop, port, application)
        try:
            yield server
        finally:
            application.release.set()
            await server.stop()


async def curl(
    tls: Certificates, server: RunningServer, path: str, *options: str
) -> "subprocess.CompletedProcess[bytes]":
    program = require_program("curl")
    command = [program, "-sS", "--max-time", str(PEER_TIMEOUT), "--cacert", tls.ca_file, *options]
    return await asyncio.to_thread(
        subprocess.run,
        [*command, f"https://127.0.0.1:{server.port}{path}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def version_option(version: str) -> str:
    if version == "1.1":
        return "--http1.1"
    version_text = subprocess.run(
        [require_program("curl"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    if "HTTP2" not in version_text.split():
        skip_missing("curl is built without HTTP/2")
    return "--http2"


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_request_body_is_echoed(order: str, version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "log").touch()
    options = [version_option(version), "--data-binary", f"@{tmp_path}/body", "-w", "%{stderr}%{http_version}"]
    with count_traffic() as traffic:
        async with running_server(order, tls) as server:
            for _ in range(2):
                done = await curl(tls, server, "/echo", *options)
                assert (done.returncode, done.stderr) == (0, version.encode())
                assert done.stdout == BODY
    assert traffic.bytes_read > 2 * len(BODY)
    assert traffic.bytes_written > 2 * len(BODY)
    assert traffic.asyncio_calls == 0


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_graceful_stop_finishes_running_request(order: str, version: str, tls: Certificates) -> None:
    with count_traffic() as traffic:
        async with running_server(order, tls) as server:
            request = asyncio.create_task(curl(tls, server, "/slow", version_option(version), "-d", "last words"))
            await server.application.slow_request.wait()
            stopping = asyncio.create_task(server.stop())
            while not await is_refused(server.port):
                await asyncio.sleep(0)
            assert not stopping.done()
            server.application.release.set()
            done = await request
            assert (done.returncode, done.stdout, done.stderr) == (0, b"last words", b"")
            await stopping
    assert traffic.bytes_read > 0
    assert traffic.asyncio_calls == 0


async def is_refused(port: int) -> bool:
    try:
        with contextlib.closing(await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port), PEER_TIMEOUT)):
            return False
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it stopped listening during the connect
        return True


async def test_graceful_stop_closes_idle_connections(order: str, tls: Certificates) -> None:
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def keep_connection_open(port: int) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), PEER_TIMEOUT) as plain,
            tls.client_context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
            received = b""
            while not received.endswith(b"hello\r\n0\r\n\r\n") and not received.endswith(b"\r\n\r\nhello"):
                received += sock.recv(4096)
            loop.call_soon_threadsafe(answered.set)
            try:
                return sock.recv(4096)
            except ssl.SSLEOFError:
                return b""

    with count_traffic() as traffic:
        async with running_server(order, tls) as server:
            client = asyncio.create_task(asyncio.to_thread(keep_connection_open, server.port))
            await answered.wait()
            await server.stop()
            assert await client == b""
    assert traffic.bytes_read > 0
    assert traffic.asyncio_calls == 0
