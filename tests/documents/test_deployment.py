"""The proxies of docs/howto/deploy.md pass the end of the program's data on to a TLS client."""

import asyncio
import pathlib
import re
import ssl

import sluiceway
from documents.page_examples import all_blocks, prepared

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
