"""S8: the example in the documentation of asyncio's streams runs over http and https.

The programs are equivalent to it: a HEAD request, one line printed for each header. They are written with
``async def`` and ``await``, and with ``types.coroutine`` and ``yield from`` as in Python 3.4.
"""

import asyncio
import inspect
import os
import subprocess
import sys
import types
import urllib.parse
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
{import_statement}

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

SYNTAXES = {
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


@pytest.mark.parametrize("import_statement", IMPORTS)
@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.loops("asyncio")
async def test_documented_example_prints_headers(
    import_statement: str, syntax: str, scheme: str, raw_peers: RawPeers, tls: Certificates
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
    program = PROGRAM.format(import_statement=IMPORTS[import_statement], **SYNTAXES[syntax])
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


@pytest.mark.loops("asyncio")
async def test_create_task_accepts_every_awaitable_of_reader(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"a\nbbb;cc")
    reader.feed_eof()
    results = []
    for call in (reader.readline(), reader.readexactly(3), reader.readuntil(b";"), reader.read(1), reader.read()):
        # inspect.iscoroutine() accepts only the interpreter's coroutines; the compiled core has its own type.
        assert asyncio.iscoroutine(call)
        assert inspect.isawaitable(call)
        results.append(await asyncio.get_running_loop().create_task(call))
    assert results == [b"a\n", b"bbb", b";", b"c", b"c"]


@pytest.mark.loops("asyncio")
async def test_create_task_accepts_every_awaitable_of_writer_and_server() -> None:
    loop = asyncio.get_running_loop()
    server = await sluiceway.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    _, writer = await sluiceway.open_connection(*server.sockets[0].getsockname())
    await loop.create_task(writer.drain())
    writer.close()
    await loop.create_task(writer.wait_closed())
    server.close()
    await loop.create_task(server.wait_closed())
