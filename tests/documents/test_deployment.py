"""What docs/howto/deploy.md states about its proxies and programs."""

import asyncio
import pathlib
import re
import ssl

import pytest

import sluiceway
from documents.page_examples import all_blocks, block_of, connected, prepared, read_to_the_end, serving

LIMIT = 65_536


async def end_after_long_line(port: str, context: ssl.SSLContext) -> "str | None":
    """Make the program close the connection, by a line above its limit, and return the eof_reason of the client."""
    reader, writer = await sluiceway.open_connection("localhost", int(port), ssl=context)
    # The program reads all of it before it closes: unread bytes would cause a reset.
    writer.write(b"x" * (LIMIT + 1))
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return reader.eof_reason


def test_end_of_program_behind_proxy_is_clean_for_tls_client(tmp_path: pathlib.Path) -> None:
    [block] = [one for one in all_blocks() if one.document == "docs/howto/deploy.md" and "(8080, 8081)" in one.text]
    with prepared(block, tmp_path) as text:
        context = ssl.create_default_context(cafile=tmp_path / "authority.pem")
        ports = re.findall(r"\d+", text.partition("for port in ")[2].partition(":")[0])
        assert [asyncio.run(end_after_long_line(port, context)) for port in ports] == ["clean", "clean"]


@pytest.mark.parametrize("header", [b"\r\n", b"PROXY\r\n", b"PROXY TCP4\r\n", b"\xff\r\n", b"x" * (LIMIT + 2)])
def test_wrong_proxy_header_closes_connection_without_log_record(header: bytes, tmp_path: pathlib.Path) -> None:
    with prepared(block_of("proxied.py"), tmp_path) as text, serving(tmp_path / "proxied.py", text) as port:
        # When the second connection has ended, the loop has reported an error of the first one.
        for sent in (header, b"PROXY UNKNOWN\r\n"):
            client = connected(port)
            client.sendall(sent)
            assert read_to_the_end(client) == b""
