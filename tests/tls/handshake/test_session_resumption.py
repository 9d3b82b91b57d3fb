"""T1: sessions are resumed in both versions, and session_reused reports it."""

import functools
import pathlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.interactive_programs import echo_with_prefix, s_client
from support.raw_peer import RawPeer, RawPeers


@pytest.mark.parametrize("version", ["1_2", "1_3"])
@pytest.mark.parametrize("upgraded", [False, True], ids=["listen", "start_tls"])
async def test_session_of_s_client_is_resumed(
    version: str, upgraded: bool, tls: Certificates, tmp_path: pathlib.Path
) -> None:
    reused = []

    async def handle(reader: Any, writer: Any) -> None:
        if upgraded:
            writer.write(b"220 ready\r\n")
            assert (await reader.readline()).startswith(b"EHLO")
            writer.write(b"250-here\r\n250 STARTTLS\r\n")
            assert (await reader.readline()).startswith(b"STARTTLS")
            writer.write(b"220 go\r\n")
            await writer.start_tls(tls.server_context)
        reused.append(writer.get_extra_info("ssl_object").session_reused)
        await echo_with_prefix(reader, writer)

    session = str(tmp_path / "session.pem")
    options = [f"-tls{version}", *(("-starttls", "smtp") if upgraded else ())]
    listening = {} if upgraded else {"ssl": tls.server_context}
    async with await sluiceway.start_server(handle, "127.0.0.1", 0, **listening) as server:
        for option, expected in (("-sess_out", "New"), ("-sess_in", "Reused")):
            with s_client(server_address(server), tls, *options, option, session) as program:
                await program.expect(f"{expected}, TLSv{version.replace('_', '.')}")
                # In TLS 1.3 the session arrives after the handshake, and before the answer.
                program.write("hello\n")
                await program.expect("got hello\n")
                program.write("Q\n")
                await program.read_to_end()
    assert reused == [False, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_session_of_an_ssl_socket_is_resumed(
    version: ssl.TLSVersion, raw_peers: RawPeers, tls: Certificates
) -> None:
    reused = []

    async def handle(reader: Any, writer: Any) -> None:
        reused.append(writer.get_extra_info("ssl_object").session_reused)
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    context = tls.new_client_context()
    context.maximum_version = version

    def connect_and_return_session(peer: RawPeer, session: Any) -> Any:
        peer.sock = context.wrap_socket(peer.sock, server_hostname="localhost", session=session)
        assert peer.receive(5) == b"hello"
        session_of_connection = peer.sock.session
        peer.unwrap_tls()
        return session_of_connection

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        session = None
        for _ in range(3):
            session = await raw_peers.run_client(
                server_address(server), functools.partial(connect_and_return_session, session=session)
            ).finished()
    assert reused == [False, True, True]


async def test_session_of_another_server_context_is_not_resumed(tls: Certificates, tmp_path: pathlib.Path) -> None:
    """T1: the contexts have different ticket keys; the client gets a new session without an error."""
    session = str(tmp_path / "session.pem")

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    for option in ("-sess_out", "-sess_in"):
        async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.new_server_context()) as server:
            with s_client(server_address(server), tls, option, session) as program:
                await program.expect("New, TLSv1.3")
                program.write("hello\n")
                await program.expect("hello\n")
                await program.read_to_end()
