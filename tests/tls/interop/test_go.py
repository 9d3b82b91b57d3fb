"""Go's crypto/tls as client and as server: data in both directions, close_notify, ALPN, resumption, certificates."""

import asyncio
import contextlib
import pathlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.interactive_programs import run_interactive
from support.scheduling import wait_until

pytestmark = pytest.mark.parametrize("version", ["1.2", "1.3"])

MIB = 1 << 20


async def echo(reader: Any, writer: Any) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_go_client_exchanges_data_and_resumes_its_session(
    version: str, go_peer: pathlib.Path, tls: Certificates
) -> None:
    reused, reasons = [], []

    async def handle(reader: Any, writer: Any) -> None:
        reused.append(writer.get_extra_info("ssl_object").session_reused)
        await echo(reader, writer)
        reasons.append(reader.eof_reason)

    context = tls.new_server_context()
    context.set_alpn_protocols(["other", "echo"])
    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        host, port = server_address(server)
        with run_interactive(go_peer, "client", f"{host}:{port}", tls.ca_file, version) as program:
            output = await program.read_to_end()
        await wait_until(lambda: len(reasons) == 2)
    assert output.splitlines() == [
        f"{version} resumed=false protocol=echo",
        "clean",
        f"{version} resumed=true protocol=echo",
        "clean",
    ]
    assert reused == [False, True]
    assert reasons == ["clean", "clean"]


async def test_server_receives_the_certificate_of_a_go_client(
    version: str, go_peer: pathlib.Path, tls: Certificates, tmp_path: pathlib.Path
) -> None:
    names = []

    async def handle(reader: Any, writer: Any) -> None:
        names.append(writer.get_extra_info("peercert")["subjectAltName"])
        await echo(reader, writer)

    certificate = tls.authority.issue_cert("client.example")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        host, port = server_address(server)
        certificate_and_key = (tmp_path / "client.pem", tmp_path / "client.pem")
        with run_interactive(
            go_peer, "client", f"{host}:{port}", tls.ca_file, version, *certificate_and_key
        ) as program:
            output = await program.read_to_end()
    assert output.count("clean") == 2
    assert names == [(("DNS", "client.example"),)] * 2


async def test_go_server_exchanges_data_and_receives_close_notify(
    version: str, go_peer: pathlib.Path, tls: Certificates
) -> None:
    data = bytes(range(256)) * (MIB // 256)
    context = tls.new_client_context()
    context.set_alpn_protocols(["echo"])
    with run_interactive(go_peer, "server", tls.certificate_file, tls.key_file, version) as program:
        host, port = (await program.expect(r"listening (\S+)\n"))[1].split(":")
        reader, writer = await sluiceway.open_connection(host, int(port), ssl=context, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").version() == f"TLSv{version}"
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "echo"
        reading = asyncio.create_task(reader.readexactly(MIB))
        writer.write(data)
        await writer.drain()
        assert await reading == data
        writer.close()
        await writer.wait_closed()
        await program.expect("clean")


async def test_go_server_without_a_common_alpn_protocol_raises(
    version: str, go_peer: pathlib.Path, tls: Certificates
) -> None:
    context = tls.new_client_context()
    context.set_alpn_protocols(["h2"])
    with run_interactive(go_peer, "server", tls.certificate_file, tls.key_file, version) as program:
        host, port = (await program.expect(r"listening (\S+)\n"))[1].split(":")
        with pytest.raises(ssl.SSLError, match=rf"(?is)no.application.protocol.*{port}"):
            await sluiceway.open_connection(host, int(port), ssl=context, server_hostname="localhost")


async def test_go_server_receives_the_client_certificate(
    version: str, go_peer: pathlib.Path, tls: Certificates
) -> None:
    context = tls.new_client_context()
    tls.authority.issue_cert("client.example").configure_cert(context)
    with run_interactive(go_peer, "server", tls.certificate_file, tls.key_file, version, tls.ca_file) as program:
        host, port = (await program.expect(r"listening (\S+)\n"))[1].split(":")
        reader, writer = await sluiceway.open_connection(host, int(port), ssl=context, server_hostname="localhost")
        await program.expect(r"client \[client.example\]")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        await program.expect("clean")
