"""The peers that other tests rely on do what they say, seen from asyncio's own streams."""

import asyncio

import pytest


async def test_chunks_by_hand(peer):
    listener = peer.listen()
    reader, writer = await asyncio.open_connection(*listener.address)
    wire = listener.accept()
    for chunk in (b"a", b"bc", b"def"):
        wire.send(chunk)
        assert await reader.read(100) == chunk
    writer.write(b"hello")
    assert await wire.in_thread(wire.receive, 5) == b"hello"
    wire.half_close()
    assert await reader.read() == b""
    writer.write(b"after the end")
    writer.close()
    assert await wire.in_thread(wire.receive_rest) == b"after the end"
    await writer.wait_closed()


async def test_a_reset_by_hand(peer):
    listener = peer.listen("::1")
    reader, writer = await asyncio.open_connection(*listener.address)
    listener.accept().reset()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


async def test_a_client_by_hand_over_a_unix_socket(peer, unix_path):
    accepted = asyncio.get_running_loop().create_future()

    async def handle(reader, writer):
        accepted.set_result(await reader.readexactly(4))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(handle, unix_path)
    wire = peer.connect(unix_path)
    wire.send(b"pi", b"ng")
    assert await accepted == b"ping"
    assert await wire.in_thread(wire.receive_rest) == b""
    server.close()
    await server.wait_closed()


async def test_a_script_waits_tells_and_returns(peer, tls):
    def answer(wire):
        wire.start_tls(tls.server_context, server_side=True)
        assert wire.receive(4) == b"ping"
        wire.tell("asked")
        wire.wait("answer")
        wire.send(b"po", b"ng")
        wire.farewell()
        return "done"

    script = peer.serve(answer)
    reader, writer = await asyncio.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    writer.write(b"ping")
    await script.reached("asked")
    script.go("answer")
    assert await reader.readexactly(4) == b"pong"
    writer.close()
    await writer.wait_closed()
    assert await script.finished() == "done"


async def test_signals_are_counted(peer):
    def count(wire):
        for _ in range(3):
            wire.wait()
            wire.tell()

    script = peer.serve(count)
    _, writer = await asyncio.open_connection(*script.address)
    script.go()
    script.go()
    await script.reached()
    script.go()
    await script.reached()
    await script.reached()
    await script.finished()
    writer.close()
    await writer.wait_closed()


async def test_a_visiting_script(peer):
    seen = asyncio.get_running_loop().create_future()

    async def handle(reader, writer):
        seen.set_result(await reader.read())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)

    def visit(wire):
        wire.send(b"hello")
        wire.half_close()
        return wire.receive_rest()

    script = peer.visit(server.sockets[0].getsockname(), visit)
    assert await seen == b"hello"
    assert await script.finished() == b""
    server.close()
    await server.wait_closed()


async def test_what_a_script_raises_reaches_the_test(peer):
    script = peer.serve(lambda wire: wire.receive(10))
    _, writer = await asyncio.open_connection(*script.address)
    writer.write(b"short")
    writer.close()
    await writer.wait_closed()
    with pytest.raises(EOFError, match=r"after 5 of 10 bytes: b'short'"):
        await script.finished()


def test_what_a_script_raises_is_not_lost_if_nobody_asks(inner_run):
    result = inner_run(
        """
@pytest.mark.loops("asyncio")
async def test_unasked(peer):
    script = peer.serve(lambda wire: wire.receive(1))
    _, writer = await asyncio.open_connection(*script.address)
    writer.close()
    await writer.wait_closed()
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*EOFError*after 0 of 1 bytes*"])
