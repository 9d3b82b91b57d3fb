"""openssl s_client and s_server: data in both directions, close_notify, ALPN, in TLS 1.2 and 1.3."""

import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.interactive_programs import echo_with_prefix, s_client, s_server

each_version = pytest.mark.parametrize("version", ["1_2", "1_3"])


@each_version
async def test_s_client_exchanges_lines_and_closes(version: str, tls: Certificates) -> None:
    async with await sluiceway.start_server(echo_with_prefix, "127.0.0.1", 0, ssl=tls.server_context) as server:
        with s_client(server_address(server), tls, f"-tls{version}") as program:
            await program.expect(r"Verify return code: 0 \(ok\)")
            program.write("one\n")
            await program.expect("got one\n")
            program.write("two\n")
            await program.expect("got two\n")
            program.write("Q\n")
            await program.expect("DONE")
            await program.read_to_end()


@each_version
async def test_s_client_receives_close_notify(version: str, tls: Certificates) -> None:
    """s_client prints "closed" at close_notify, and an error at EOF without it."""

    async def leave(reader: Any, writer: Any) -> None:
        writer.write(b"bye\n")
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(leave, "127.0.0.1", 0, ssl=tls.server_context) as server:
        with s_client(server_address(server), tls, f"-tls{version}") as program:
            await program.expect("bye\n")
            output = await program.read_to_end()
    assert "closed" in output
    assert "error" not in output


@each_version
async def test_s_server_exchanges_lines(version: str, tls: Certificates) -> None:
    with s_server(tls, f"-tls{version}", "-rev") as (_, found):
        reader, writer = await sluiceway.open_connection(
            *await found, ssl=tls.client_context, server_hostname="localhost"
        )
        assert writer.get_extra_info("ssl_object").version() == f"TLSv{version.replace('_', '.')}"
        for word in (b"abc", b"x" * 5000):
            writer.write(word + b"\n")
            assert await reader.readline() == word[::-1] + b"\n"
        writer.close()
        await writer.wait_closed()


@each_version
async def test_close_notify_of_s_server_ends_the_read(version: str, tls: Certificates) -> None:
    with s_server(tls, f"-tls{version}") as (program, found):
        reader, writer = await sluiceway.open_connection(
            *await found, ssl=tls.client_context, server_hostname="localhost"
        )
        await program.expect("CIPHER is")
        program.write("bye\n")
        assert await reader.readline() == b"bye\n"
        program.write("Q\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@each_version
async def test_s_server_receives_the_data_and_close_notify_of_a_close(version: str, tls: Certificates) -> None:
    with s_server(tls, f"-tls{version}") as (program, found):
        _, writer = await sluiceway.open_connection(*await found, ssl=tls.client_context, server_hostname="localhost")
        writer.write(b"the last\n")
        writer.close()
        await writer.wait_closed()
        await program.expect("the last\nDONE")


async def test_s_server_without_a_common_alpn_protocol_raises(tls: Certificates) -> None:
    context = tls.new_client_context()
    context.set_alpn_protocols(["h2"])
    with s_server(tls, "-alpn", "echo") as (_, found):
        address = await found
        with pytest.raises(ssl.SSLError, match=rf"(?is)no.application.protocol.*{address[1]}"):
            await sluiceway.open_connection(*address, ssl=context, server_hostname="localhost")
