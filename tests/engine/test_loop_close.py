"""loop.close() closes all open sockets of the engine, although some of their protocols raise."""

import asyncio
import gc
import socket

import pytest

import sluiceway
from support import file_descriptors


class FailingProtocol(sluiceway.StreamReaderProtocol):
    """Raises in connection_lost()."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        raise ValueError("fails")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_connection_lost_that_raises_is_logged_and_all_sockets_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        for _ in range(3):
            near, far = socket.socketpair()
            protocol = FailingProtocol(sluiceway.StreamReader())
            _, writer = await sluiceway.open_connection(sock=near)
            writer.transport.set_protocol(protocol)
            kept.append((writer, far))

    kept: list[tuple[sluiceway.StreamWriter, socket.socket]] = []
    gc.collect()
    before = file_descriptors.open_descriptors()
    loop = asyncio.SelectorEventLoop()
    loop.run_until_complete(main())
    loop.close()
    for _, far in kept:
        far.close()
    assert file_descriptors.open_descriptors() == before
    failed = [record for record in caplog.records if record.name == "sluiceway" and record.exc_info]
    assert [str(record.exc_info[1]) for record in failed if record.exc_info] == ["fails"] * 3
    kept.clear()
