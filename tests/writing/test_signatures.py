"""S5: StreamWriter has the names and signatures of asyncio's."""

import asyncio
import inspect
import types
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.non_reading_peer import non_reading_peer
from support.raw_peer import RawPeers


def _signature(owner: Any, name: str) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(getattr(owner, name)).parameters.values()]


@pytest.mark.parametrize("name", sorted({n for n in vars(asyncio.StreamWriter) if n[0] != "_"} - {"transport"}))
def test_method_has_the_signature_of_asyncio(name: str) -> None:
    """S5: every public method of asyncio.StreamWriter is overridden with the same parameters."""
    assert getattr(sluiceway.StreamWriter, name) is not getattr(asyncio.StreamWriter, name)
    theirs = _signature(asyncio.StreamWriter, name)
    # Python 3.11 has no ssl_shutdown_timeout; this package accepts it on every version (S11).
    assert _signature(sluiceway.StreamWriter, name)[: len(theirs)] == theirs


def test_constructor_has_the_parameters_of_asyncio() -> None:
    """S5: StreamWriter(transport, protocol, reader, loop)."""
    assert list(inspect.signature(sluiceway.StreamWriter).parameters) == ["transport", "protocol", "reader", "loop"]


async def test_writer_made_from_create_connection_reads_writes_and_closes(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """S5, S6: StreamWriter may be constructed with any transport, as asyncio's documentation of protocols shows."""
    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    reader = streams.StreamReader(loop=loop)
    protocol = streams.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
    writer = streams.StreamWriter(transport=transport, protocol=protocol, reader=reader, loop=loop)
    peer = listener.accept()
    assert writer.transport is transport
    assert isinstance(writer, asyncio.StreamWriter)
    assert not writer.is_closing()
    writer.write(b"hello")
    await writer.drain()
    assert await peer.in_thread(peer.receive, 5) == b"hello"
    peer.send(b"world")
    assert await reader.readexactly(5) == b"world"
    writer.close()
    assert writer.is_closing()
    await writer.wait_closed()


async def test_get_extra_info_returns_the_transports_value_or_the_default(streams: types.ModuleType) -> None:
    """S5: unknown names return the default."""
    async with connected_pair(streams) as ((_, writer), (_, far)):
        assert writer.get_extra_info("peername") == far.get_extra_info("sockname")
        assert writer.get_extra_info("sockname") == far.get_extra_info("peername")
        assert writer.get_extra_info("socket").fileno() >= 0
        assert writer.get_extra_info("no such thing") is None
        assert writer.get_extra_info("no such thing", 5) == 5
        assert writer.get_extra_info("cipher", default="none") == "none"


async def test_methods_return_none(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """S5: methods that are not coroutines return None, and so do ``await drain()`` and ``await wait_closed()``."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        assert writer.write(b"a") is None
        assert writer.writelines([b"b"]) is None
        assert await writer.drain() is None
        assert writer.write_eof() is None
        assert writer.close() is None
        assert await writer.wait_closed() is None


@pytest.mark.loops("asyncio", "debug", "eager")
@pytest.mark.parametrize("value", ["str", 5, None], ids=repr)
async def test_write_of_no_bytes_raises_with_the_words_of_asyncio(streams: types.ModuleType, value: Any) -> None:
    async with connected_pair(streams) as ((_, writer), (reader, _)):
        # asyncio's words since 3.14 name the three types that its transport accepts.
        types_named = r"bytes(-like|, bytearray, or memoryview) object"
        words = f"^data argument must be a {types_named}, not '{type(value).__name__}'"
        with pytest.raises(TypeError, match=words):
            writer.write(value)
        writer.write(b"sent")
        assert await reader.readexactly(4) == b"sent"


async def test_repr_names_class_transport_and_reader(streams: types.ModuleType) -> None:
    """S5: the repr has the form of asyncio's."""
    async with connected_pair(streams) as ((reader, writer), _):
        assert repr(writer) == f"<StreamWriter transport={writer.transport!r} reader={reader!r}>"
