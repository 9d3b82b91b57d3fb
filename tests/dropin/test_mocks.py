"""S12: mocks with the classes of a stream as their spec take the place of a reader, protocol and transport."""

import asyncio
import gc
import types
import warnings
from typing import Any
from unittest import mock

import pytest


@pytest.fixture(params=["autospec", "instance", "Mock", "MagicMock"])
def mocked(request: pytest.FixtureRequest) -> Any:
    """A function that returns a mock of a class."""
    functions = {
        "autospec": mock.create_autospec,
        "instance": lambda cls: mock.create_autospec(cls, instance=True),
        "Mock": lambda cls: mock.Mock(spec=cls),
        "MagicMock": lambda cls: mock.MagicMock(spec=cls),
    }
    return functions[request.param]


def mocked_transport() -> mock.Mock:
    transport: mock.Mock = mock.create_autospec(asyncio.Transport, instance=True)
    transport.is_closing.return_value = False
    transport.get_write_buffer_size.return_value = 0
    transport.get_extra_info.return_value = None

    def close() -> None:
        transport.is_closing.return_value = True

    transport.close.side_effect = close
    return transport


async def test_writer_takes_mocks_of_protocol_and_reader(streams: types.ModuleType, mocked: Any) -> None:
    """The tests of hl7 pass them."""
    transport = mocked_transport()
    protocol = mocked(streams.StreamReaderProtocol)
    reader = mocked(streams.StreamReader)
    reader.exception.return_value = None
    protocol._drain_helper = mock.AsyncMock()
    writer = streams.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    writer.write(b"data")
    await writer.drain()
    writer.close()
    transport.write.assert_called_once_with(b"data")
    protocol._drain_helper.assert_awaited_once_with()
    reader.exception.assert_called_once_with()
    transport.close.assert_called_once_with()


async def test_drain_raises_exception_of_mocked_reader(streams: types.ModuleType, mocked: Any) -> None:
    protocol = streams.StreamReaderProtocol(streams.StreamReader(), None, asyncio.get_running_loop())
    reader = mocked(streams.StreamReader)
    reader.exception.return_value = ConnectionResetError("of the mock")
    writer = streams.StreamWriter(mocked_transport(), protocol, reader, asyncio.get_running_loop())
    with pytest.raises(ConnectionResetError, match="of the mock"):
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("lost", [False, True])
async def test_protocol_reports_to_mocked_reader(streams: types.ModuleType, mocked: Any, lost: bool) -> None:
    loop = asyncio.get_running_loop()
    reader = mocked(streams.StreamReader)
    protocol = streams.StreamReaderProtocol(reader, None, loop)
    transport = mocked_transport()
    protocol.connection_made(transport)
    protocol.data_received(b"data")
    protocol.connection_lost(ConnectionResetError("lost") if lost else None)
    reader.set_transport.assert_called_once_with(transport)
    reader.feed_data.assert_called_once_with(b"data")
    if lost:
        reader.set_exception.assert_called_once()
        assert isinstance(reader.set_exception.call_args.args[0], ConnectionResetError)
        reader.feed_eof.assert_not_called()
    else:
        reader.set_exception.assert_not_called()
        reader.feed_eof.assert_called_once_with()


async def test_dropped_writer_of_mocked_transport_raises_nothing(streams: types.ModuleType) -> None:
    """Its socket is a mock too, whose descriptor cannot be compared with a number."""
    loop = asyncio.get_running_loop()
    unraisable: list[Any] = []
    with mock.patch("sys.unraisablehook", unraisable.append), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        streams.StreamWriter(mock.create_autospec(asyncio.Transport, instance=True), mock.Mock(), None, loop)
        gc.collect()
    assert not unraisable
