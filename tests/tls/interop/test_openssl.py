"""openssl's s_client and s_server on the other side: both versions, data both ways, the close_notify."""

import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.interactive_programs import echo_with_prefix, s_client, s_server

both_versions = pytest.mark.parametrize("version", ["1_2", "1_3"])


@both_versions
async def test_a_client(version: str, tls: Certificates) -> None:
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


@both_versions
async def test_a_client_sees_our_close_notify(version: str, tls: Certificates) -> None:
    """s_client says "closed" at close_notify, and tells of an error where TCP ends without it."""

    async def leave(reader: Any, writer: Any) -> None:
        writer.write(b"bye\n")
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(leave, "127.0.0.1", 0, ssl=tls.server_context) as server:
        with s_client(server_address(server), tls, f"-tls{version}") as program:
            await program.expect("bye\n")
            said = await program.read_to_end()
    assert "closed" in said
    assert "error" not in said


@both_versions
async def test_a_server(version: str, tls: Certificates) -> None:
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


@both_versions
async def test_a_server_that_sends_close_notify(version: str, tls: Certificates) -> None:
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


@both_versions
async def test_a_server_of_which_we_take_leave(version: str, tls: Certificates) -> None:
    with s_server(tls, f"-tls{version}") as (program, found):
        _, writer = await sluiceway.open_connection(*await found, ssl=tls.client_context, server_hostname="localhost")
        writer.write(b"the last\n")
        writer.close()
        await writer.wait_closed()
        await program.expect("the last\nDONE")


async def test_a_server_that_shares_no_application_protocol(tls: Certificates) -> None:
    context = tls.new_client_context()
    context.set_alpn_protocols(["h2"])
    with s_server(tls, "-alpn", "echo") as (_, found):
        address = await found
        with pytest.raises(ssl.SSLError, match=rf"(?is)no.application.protocol.*{address[1]}"):
            await sluiceway.open_connection(*address, ssl=context, server_hostname="localhost")
