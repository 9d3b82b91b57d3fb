"""S10: close_clients() closes connections that start_tls() has upgraded as it closes other TLS connections."""

import asyncio
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address

# More than the kernel's buffers can have, so that a part of it waits in the transport.
PAYLOAD = bytes(8 * 1024 * 1024)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls-in-tls"])
async def test_close_clients_after_start_tls_sends_buffered_data_and_close_notify(
    tls: Certificates, secure: bool
) -> None:
    written = asyncio.Event()
    release = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        await writer.start_tls(tls.server_context)
        writer.write(PAYLOAD)
        written.set()
        await release.wait()
        writer.close()

    near: dict[str, Any] = {"ssl": tls.client_context, "server_hostname": "localhost"} if secure else {}
    far: dict[str, Any] = {"ssl": tls.server_context} if secure else {}
    server = await sluiceway.start_server(handle, "127.0.0.1", 0, **far)
    reader, writer = await sluiceway.open_connection(*server_address(server), **near)
    await writer.start_tls(tls.client_context, server_hostname="localhost", strict_eof=True)
    await written.wait()
    server.close()
    server.close_clients()
    assert len(await reader.read()) == len(PAYLOAD)
    writer.close()
    await writer.wait_closed()
    release.set()
    await server.wait_closed()
    await asyncio.gather(*server.handlers)
