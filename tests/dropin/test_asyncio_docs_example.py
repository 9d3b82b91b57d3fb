"""S8: the example that the documentation of asyncio's streams has had since Python 3.4, over http and https.

The programs here are its equals: a HEAD request, one line printed for each header. They are written once with
``async def`` and ``await`` and once with ``types.coroutine`` and ``yield from``, as it was at first.
"""

import asyncio
import inspect
import os
import subprocess
import sys
import types
import urllib.parse
from collections.abc import Generator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.package import package_directory
from support.raw_peer import RawPeer, RawPeers

HEADERS = b"HTTP/1.1 200 OK\r\nServer: small\r\nX-Latin: caf\xe9\r\nConnection: close\r\n\r\n"
PRINTED = ["HTTP header> HTTP/1.1 200 OK", "HTTP header> Server: small", "HTTP header> X-Latin: café"]
PRINTED += ["HTTP header> Connection: close"]

PROGRAM = """
import asyncio
import urllib.parse
import sys
{first}

{function} print_http_headers(url):
    url = urllib.parse.urlsplit(url)
    if url.scheme == 'https':
        reader, writer = {wait} asyncio.open_connection(url.hostname, url.port, ssl=True)
    else:
        reader, writer = {wait} asyncio.open_connection(url.hostname, url.port)

    query = "HEAD {{path}} HTTP/1.0\\r\\nHost: {{hostname}}\\r\\n\\r\\n".format(
        path=url.path or '/', hostname=url.hostname)
    writer.write(query.encode('latin-1'))
    while True:
        line = {wait} reader.readline()
        if not line:
            break
        line = line.decode('latin1').rstrip()
        if line:
            print('HTTP header> %s' % line)
    writer.close()

async def main(url):
    # Since Python 3.12 a task takes no generator.
    await print_http_headers(url)

url = sys.argv[1]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
task = loop.create_task(main(url))
loop.run_until_complete(task)
loop.close()
"""

WAYS = {
    "await": {"function": "async def", "wait": "await"},
    "yield from": {"function": "@types.coroutine\ndef", "wait": "yield from"},
}
IMPORTS = {
    "asyncio": "import types",
    "installed": "import types, sluiceway; sluiceway.install()",
    "import sluiceway as asyncio": (
        "import types, sluiceway\nfor name in sluiceway.__all__: setattr(asyncio, name, getattr(sluiceway, name))"
    ),
}


@pytest.mark.parametrize("first", IMPORTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.loops("asyncio")
async def test_it_runs_as_it_is_written(
    first: str, way: str, scheme: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    def serve(peer: RawPeer) -> bytes:
        if scheme == "https":
            peer.start_tls(tls.server_context, server_side=True)
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += peer.receive(1)
        peer.send(HEADERS)
        if scheme == "https":
            peer.unwrap_tls()
        return request

    script = raw_peers.serve(serve)
    program = PROGRAM.format(first=IMPORTS[first], **WAYS[way])
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-X", "utf8", "-W", "ignore::ResourceWarning", "-c", program, url_of(script, scheme)],
        env={**os.environ, "PYTHONPATH": str(package_directory().parent), "SSL_CERT_FILE": tls.ca_file},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == PRINTED
    assert await script.finished() == b"HEAD /path HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"


def url_of(script: Any, scheme: str) -> str:
    host, port = script.address
    return urllib.parse.urlunsplit((scheme, f"{host}:{port}", "/path", "", ""))


async def test_every_awaitable_works_under_yield_from(streams: types.ModuleType, tls: Certificates) -> None:
    """S8: reads, drain, wait_closed, start_tls, and the functions that connect and serve."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handler(reader: Any, writer: Any) -> None:
        try:
            await serve(reader, writer)
        finally:
            over.set_result(None)

    @types.coroutine
    def serve(reader: Any, writer: Any) -> Generator[Any, Any, None]:
        line = yield from reader.readline()
        rest = yield from reader.readuntil(b";")
        exact = yield from reader.readexactly(3)
        some = yield from reader.read(3)
        writer.write(line + rest + exact + some)
        yield from writer.drain()
        yield from writer.start_tls(tls.server_context)
        writer.write((yield from reader.read()))
        yield from writer.drain()
        writer.close()
        yield from writer.wait_closed()

    @types.coroutine
    def client() -> Generator[Any, Any, bytes]:
        server = yield from streams.start_server(handler, "127.0.0.1", 0, start_serving=False)
        yield from server.start_serving()
        reader, writer = yield from streams.open_connection(*server.sockets[0].getsockname())
        writer.write(b"line\nrecord;abcdef")
        yield from writer.drain()
        answer = yield from reader.readexactly(18)
        yield from writer.start_tls(tls.client_context, server_hostname="localhost")
        writer.close()
        yield from writer.wait_closed()
        yield from over
        server.close()
        yield from server.wait_closed()
        return answer  # type: ignore[no-any-return]

    assert await client() == b"line\nrecord;abcdef"


@pytest.mark.loops("asyncio")
async def test_every_awaitable_is_a_coroutine_that_a_task_takes(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"a\nbbb;cc")
    reader.feed_eof()
    results = []
    for call in (reader.readline(), reader.readexactly(3), reader.readuntil(b";"), reader.read(1), reader.read()):
        # inspect knows coroutines of the interpreter only; the compiled core has its own.
        assert asyncio.iscoroutine(call)
        assert inspect.isawaitable(call)
        results.append(await asyncio.get_running_loop().create_task(call))
    assert results == [b"a\n", b"bbb", b";", b"c", b"c"]


@pytest.mark.loops("asyncio")
async def test_a_writers_awaitables_are_coroutines_that_a_task_takes() -> None:
    loop = asyncio.get_running_loop()
    server = await sluiceway.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    _, writer = await sluiceway.open_connection(*server.sockets[0].getsockname())
    await loop.create_task(writer.drain())
    writer.close()
    await loop.create_task(writer.wait_closed())
    server.close()
    await loop.create_task(server.wait_closed())
