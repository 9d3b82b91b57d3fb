"""The raw peers of tests/support, tested with asyncio's own streams."""

import asyncio

import pytest


async def test_peer_sends_chunks_half_closes_and_receives(raw_peers):
    listener = raw_peers.listen()
    reader, writer = await asyncio.open_connection(*listener.address)
    peer = listener.accept()
    for chunk in (b"a", b"bc", b"def"):
        peer.send(chunk)
        assert await reader.read(100) == chunk
    writer.write(b"hello")
    assert await peer.in_thread(peer.receive, 5) == b"hello"
    peer.half_close()
    assert await reader.read() == b""
    writer.write(b"after the end")
    writer.close()
    assert await peer.in_thread(peer.receive_rest) == b"after the end"
    await writer.wait_closed()


async def test_peer_reset_resets_connection(raw_peers):
    listener = raw_peers.listen("::1")
    reader, writer = await asyncio.open_connection(*listener.address)
    listener.accept().reset()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


async def test_peer_connects_to_unix_server(raw_peers, unix_path):
    accepted = asyncio.get_running_loop().create_future()

    async def handle(reader, writer):
        accepted.set_result(await reader.readexactly(4))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(handle, unix_path)
    peer = raw_peers.connect(unix_path)
    peer.send(b"pi", b"ng")
    assert await accepted == b"ping"
    assert await peer.in_thread(peer.receive_rest) == b""
    server.close()
    await server.wait_closed()


async def test_script_waits_signals_and_returns_result(raw_peers, tls):
    def answer_over_tls(peer):
        peer.start_tls(tls.server_context, server_side=True)
        assert peer.receive(4) == b"ping"
        peer.signal("request received")
        peer.wait_for("answer")
        peer.send(b"po", b"ng")
        peer.unwrap_tls()
        return "done"

    script = raw_peers.serve(answer_over_tls)
    reader, writer = await asyncio.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    writer.write(b"ping")
    await script.wait_for("request received")
    script.signal("answer")
    assert await reader.readexactly(4) == b"pong"
    writer.close()
    await writer.wait_closed()
    assert await script.finished() == "done"


async def test_signals_sent_before_wait_are_counted(raw_peers):
    def count(peer):
        for _ in range(3):
            peer.wait_for()
            peer.signal()

    script = raw_peers.serve(count)
    _, writer = await asyncio.open_connection(*script.address)
    script.signal()
    script.signal()
    await script.wait_for()
    script.signal()
    await script.wait_for()
    await script.wait_for()
    await script.finished()
    writer.close()
    await writer.wait_closed()


async def test_client_script_runs_and_returns_result(raw_peers):
    received = asyncio.get_running_loop().create_future()

    async def handle(reader, writer):
        received.set_result(await reader.read())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)

    def send_and_close(peer):
        peer.send(b"hello")
        peer.half_close()
        return peer.receive_rest()

    script = raw_peers.run_client(server.sockets[0].getsockname(), send_and_close)
    assert await received == b"hello"
    assert await script.finished() == b""
    server.close()
    await server.wait_closed()


async def test_exception_of_script_is_raised_by_finished(raw_peers):
    script = raw_peers.serve(lambda peer: peer.receive(10))
    _, writer = await asyncio.open_connection(*script.address)
    writer.write(b"short")
    writer.close()
    await writer.wait_closed()
    with pytest.raises(EOFError, match=r"after 5 of 10 bytes: b'short'"):
        await script.finished()


def test_exception_of_script_fails_test_that_does_not_call_finished(run_pytest):
    result = run_pytest(
        """
@pytest.mark.loops("asyncio")
async def test_unasked(raw_peers):
    script = raw_peers.serve(lambda peer: peer.receive(1))
    _, writer = await asyncio.open_connection(*script.address)
    writer.close()
    await writer.wait_closed()
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*EOFError*after 0 of 1 bytes*"])
