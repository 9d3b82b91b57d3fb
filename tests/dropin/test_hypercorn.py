"""hypercorn on sluiceway, asked by curl over https (contract S12)."""

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

pytestmark = [pytest.mark.loops("asyncio", "uvloop"), pytest.mark.parametrize("order", IMPORT_ORDERS)]

PATIENCE = 20
BODY = bytes(range(256)) * 4096


class Application:
    """Gives back what it is sent; a request for /slow is answered when ``release`` is set."""

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


class Serving:
    """A hypercorn server as a task."""

    def __init__(self, task: "asyncio.Task[None]", stop: asyncio.Event, port: int, application: Application) -> None:
        self.task = task
        self.port = port
        self.application = application
        self._stop = stop

    async def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._stop.set()
        await self.task


@contextlib.asynccontextmanager
async def serving(order: str, tls: Certificates) -> AsyncIterator[Serving]:
    library = import_in_order("hypercorn.asyncio", order)
    config = import_in_order("hypercorn.config", order).Config()
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    config.bind = [f"fd://{sock.detach()}"]
    config.certfile, config.keyfile = tls.certificate_file, tls.key_file
    config.graceful_timeout = PATIENCE
    config.loglevel = "ERROR"
    application, stop = Application(), asyncio.Event()
    with sluiceway.installed():
        task = asyncio.get_running_loop().create_task(library.serve(application, config, shutdown_trigger=stop.wait))
        running = Serving(task, stop, port, application)
        try:
            yield running
        finally:
            application.release.set()
            await running.stop()


async def curl(tls: Certificates, running: Serving, path: str, *options: str) -> "subprocess.CompletedProcess[bytes]":
    program = require_program("curl")
    command = [program, "-sS", "--max-time", str(PATIENCE), "--cacert", tls.ca_file, *options]
    return await asyncio.to_thread(
        subprocess.run,
        [*command, f"https://127.0.0.1:{running.port}{path}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def version_option(version: str) -> str:
    if version == "1.1":
        return "--http1.1"
    told = subprocess.run([require_program("curl"), "--version"], capture_output=True, text=True, check=True).stdout
    if "HTTP2" not in told.split():
        skip_missing("curl is built without HTTP/2")
    return "--http2"


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_a_body_there_and_back(order: str, version: str, tls: Certificates, tmp_path: pathlib.Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "log").touch()
    options = [version_option(version), "--data-binary", f"@{tmp_path}/body", "-w", "%{stderr}%{http_version}"]
    with count_traffic() as traffic:
        async with serving(order, tls) as running:
            for _ in range(2):
                done = await curl(tls, running, "/echo", *options)
                assert (done.returncode, done.stderr) == (0, version.encode())
                assert done.stdout == BODY
    assert traffic.bytes_read > 2 * len(BODY)
    assert traffic.bytes_written > 2 * len(BODY)
    assert traffic.asyncio_calls == 0


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_a_graceful_stop_lets_the_request_in_hand_finish(order: str, version: str, tls: Certificates) -> None:
    with count_traffic() as traffic:
        async with serving(order, tls) as running:
            asking = asyncio.create_task(curl(tls, running, "/slow", version_option(version), "-d", "last words"))
            await running.application.slow_request.wait()
            stopping = asyncio.create_task(running.stop())
            while not await refused(running.port):
                await asyncio.sleep(0)
            assert not stopping.done()
            running.application.release.set()
            done = await asking
            assert (done.returncode, done.stdout, done.stderr) == (0, b"last words", b"")
            await stopping
    assert traffic.bytes_read > 0
    assert traffic.asyncio_calls == 0


async def refused(port: int) -> bool:
    try:
        with contextlib.closing(await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port), PATIENCE)):
            return False
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it stopped listening just now
        return True


async def test_a_graceful_stop_closes_connections_that_are_idle(order: str, tls: Certificates) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stay(port: int) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            tls.client_context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
            received = b""
            while not received.endswith(b"hello\r\n0\r\n\r\n") and not received.endswith(b"\r\n\r\nhello"):
                received += sock.recv(4096)
            loop.call_soon_threadsafe(told.set)
            try:
                return sock.recv(4096)
            except ssl.SSLEOFError:
                return b""

    with count_traffic() as traffic:
        async with serving(order, tls) as running:
            staying = asyncio.create_task(asyncio.to_thread(stay, running.port))
            await told.wait()
            await running.stop()
            assert await staying == b""
    assert traffic.bytes_read > 0
    assert traffic.asyncio_calls == 0
