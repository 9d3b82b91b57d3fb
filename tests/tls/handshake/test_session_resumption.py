"""T1: sessions are resumed in both versions, and a program can see it."""

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
async def test_by_openssl(version: str, upgraded: bool, tls: Certificates, tmp_path: pathlib.Path) -> None:
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
        for which, said in (("-sess_out", "New"), ("-sess_in", "Reused")):
            with s_client(server_address(server), tls, *options, which, session) as program:
                await program.expect(f"{said}, TLSv{version.replace('_', '.')}")
                # In 1.3 the session is in a message behind the handshake: with the answer it has come.
                program.write("hello\n")
                await program.expect("got hello\n")
                program.write("Q\n")
                await program.read_to_end()
    assert reused == [False, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_by_pythons_own_client(version: ssl.TLSVersion, raw_peers: RawPeers, tls: Certificates) -> None:
    reused = []

    async def handle(reader: Any, writer: Any) -> None:
        reused.append(writer.get_extra_info("ssl_object").session_reused)
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    context = tls.new_client_context()
    context.maximum_version = version

    def visit(peer: RawPeer, session: Any) -> Any:
        peer.sock = context.wrap_socket(peer.sock, server_hostname="localhost", session=session)
        assert peer.receive(5) == b"hello"
        taken = peer.sock.session
        peer.unwrap_tls()
        return taken

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        session = None
        for _ in range(3):
            session = await raw_peers.run_client(
                server_address(server), functools.partial(visit, session=session)
            ).finished()
    assert reused == [False, True, True]


async def test_one_session_for_two_contexts_of_a_server_is_not_resumed(
    tls: Certificates, tmp_path: pathlib.Path
) -> None:
    """Their keys for tickets differ: it is a new session, and no error."""
    session = str(tmp_path / "session.pem")

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    for which in ("-sess_out", "-sess_in"):
        async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.new_server_context()) as server:
            with s_client(server_address(server), tls, which, session) as program:
                await program.expect("New, TLSv1.3")
                program.write("hello\n")
                await program.expect("hello\n")
                await program.read_to_end()
