"""The connection handlers of the demonstration's servers."""

from __future__ import annotations

import hashlib

import sluiceway

# Bytes of the length field before a frame and before a transfer.
LENGTH_BYTES = 4
CHUNK = 256 * 1024

_HTML = b"<!doctype html><title>sluiceway</title><p>It works.\n"


async def serve_http(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    """Respond to one HEAD or GET request, and to any other with 405. The caller must close the connection."""
    request_line = (await reader.readline()).decode("latin1").split()
    while (await reader.readline()).strip():
        pass
    method = request_line[0] if request_line else ""
    allowed = method in ("HEAD", "GET")
    body = _HTML if allowed else b""
    status = "200 OK" if allowed else "405 Method Not Allowed"
    head = (
        f"HTTP/1.1 {status}\r\n"
        f"Server: sluiceway-demo/{sluiceway.__version__}\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    writer.write(head.encode("ascii"))
    if method == "GET":
        writer.write(body)
    await writer.drain()


async def echo_lines(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    """Echo every line until end of file."""
    async for line in reader:
        writer.write(line)
        await writer.drain()


async def echo_frames(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    """Echo frames, each after its length (LENGTH_BYTES, big-endian). Return after echoing a frame of length 0."""
    while True:
        prefix = await reader.readexactly(LENGTH_BYTES)
        writer.write(prefix)
        size = int.from_bytes(prefix, "big")
        if size == 0:
            break
        writer.write(await reader.readexactly(size))
        await writer.drain()
    await writer.drain()


async def take_transfer(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    """Receive a transfer and respond with its checksum.

    The client sends the number of bytes (LENGTH_BYTES, big-endian), the bytes, and their SHA-256. The response is one
    line: ``ok`` or ``damaged``, and the SHA-256 of the received bytes in hexadecimal digits. A client that ends the
    stream within the bytes gets no response.
    """
    missing = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    digest = hashlib.sha256()
    while missing:
        chunk = await reader.read(min(missing, CHUNK))
        if not chunk:
            return
        digest.update(chunk)
        missing -= len(chunk)
    announced = await reader.readexactly(digest.digest_size)
    verdict = "ok" if announced == digest.digest() else "damaged"
    writer.write(f"{verdict} {digest.hexdigest()}\n".encode("ascii"))
    await writer.drain()
