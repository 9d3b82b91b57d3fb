"""S5: the names and signatures of StreamWriter are asyncio's."""

import asyncio
import inspect
import types
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.non_reading_peer import non_reading_peer
from support.raw_peer import RawPeers

DOCUMENTED = (
    "transport",
    "can_write_eof",
    "close",
    "drain",
    "get_extra_info",
    "is_closing",
    "start_tls",
    "wait_closed",
    "write",
    "write_eof",
    "writelines",
)


def _signature(owner: Any, name: str) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(getattr(owner, name)).parameters.values()]


@pytest.mark.parametrize("name", sorted({n for n in vars(asyncio.StreamWriter) if n[0] != "_"} - {"transport"}))
def test_method_has_asyncios_signature(name: str) -> None:
    """S5: every public method of the running interpreter's StreamWriter, overridden, with the same parameters."""
    assert getattr(sluiceway.StreamWriter, name) is not getattr(asyncio.StreamWriter, name)
    theirs = _signature(asyncio.StreamWriter, name)
    # Python 3.11 has no ssl_shutdown_timeout yet; contract S11 gives every version the newest.
    assert _signature(sluiceway.StreamWriter, name)[: len(theirs)] == theirs


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_name_exists(name: str) -> None:
    """S5, S10: whatever the interpreter has."""
    assert inspect.getdoc(getattr(sluiceway.StreamWriter, name)) or name in {"write", "writelines", "drain"}


def test_constructor_takes_asyncios_arguments() -> None:
    """S5: StreamWriter(transport, protocol, reader, loop), by position and by name."""
    assert list(inspect.signature(sluiceway.StreamWriter).parameters) == ["transport", "protocol", "reader", "loop"]


async def test_writer_of_a_transport_of_create_connection(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """S5, S6: the pieces put together as asyncio's own documentation of protocols has it."""
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


async def test_extra_info(streams: types.ModuleType) -> None:
    """S5: get_extra_info answers what the transport knows, else the default."""
    async with connected_pair(streams) as ((_, writer), (_, far)):
        assert writer.get_extra_info("peername") == far.get_extra_info("sockname")
        assert writer.get_extra_info("sockname") == far.get_extra_info("peername")
        assert writer.get_extra_info("socket").fileno() >= 0
        assert writer.get_extra_info("no such thing") is None
        assert writer.get_extra_info("no such thing", 5) == 5
        assert writer.get_extra_info("cipher", default="none") == "none"


async def test_results_are_none(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """S5: the plain calls return nothing to await; drain and wait_closed give None."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        assert writer.write(b"a") is None
        assert writer.writelines([b"b"]) is None
        assert await writer.drain() is None
        assert writer.write_eof() is None
        assert writer.close() is None
        assert await writer.wait_closed() is None


async def test_repr_names_class_transport_and_reader(streams: types.ModuleType) -> None:
    """S5: what is seen in logs is what asyncio shows."""
    async with connected_pair(streams) as ((reader, writer), _):
        assert repr(writer) == f"<StreamWriter transport={writer.transport!r} reader={reader!r}>"


@pytest.mark.loops("asyncio")
async def test_drain_and_wait_closed_are_coroutines(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """S5: create_task(writer.drain()) works, as it did since Python 3.4."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        assert await asyncio.create_task(writer.drain()) is None
        writer.close()
        assert await asyncio.create_task(writer.wait_closed()) is None
