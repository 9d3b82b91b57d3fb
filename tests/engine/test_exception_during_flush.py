"""An exception of a protocol callback during the flush of corked data does not stop the flush of other connections."""

import asyncio

import pytest

from engine.peer_connections import abort_connections, loops_with_immediate_wakeup, open_connections, wait_for_readers
from support import loops
from support.raw_peer import RawPeers

COUNT = 8


class RaisingProtocol(asyncio.Protocol):
    """Raises in resume_writing()."""

    def __init__(self, exception: type[BaseException]) -> None:
        self.exception = exception
        self.called = 0

    def resume_writing(self) -> None:
        self.called += 1
        raise self.exception("from resume_writing")


@loops_with_immediate_wakeup
@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, LookupError])
@pytest.mark.parametrize("raising", [1, 3])
def test_corked_data_of_other_connections_is_sent_although_resume_writing_raises(
    loop_kind: str, raw_peers: RawPeers, exception: type[BaseException], raising: int
):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        reported = []
        loop.set_exception_handler(lambda _loop, context: reported.append(type(context["exception"])))
        connections = loop.run_until_complete(open_connections(raw_peers, COUNT))
        streams = [connection.transport.get_protocol() for connection in connections]
        protocols = [RaisingProtocol(exception) for _ in connections[:raising]]
        for connection, protocol in zip(connections, protocols, strict=False):
            connection.transport.set_protocol(protocol)

        async def handle():
            await connections[-1].reader.readexactly(1)
            for number, connection in enumerate(connections):
                connection.transport.write(b"corked")
                if number < raising:
                    # Writing is paused here, and resumed when the data is sent at the end of the step.
                    connection.transport.set_write_buffer_limits(5)

        handling = loop.create_task(handle())
        loop.run_until_complete(wait_for_readers(connections[-1]))
        connections[-1].peer.send(b"!")
        raised = 0
        for _ in range(20):
            try:
                loop.run_until_complete(asyncio.sleep(0.001))
            except exception:
                raised += 1
            except RuntimeError:
                # uvloop turns an interrupt into a stop, which may affect the next run.
                assert loop_kind == "uvloop"
        assert handling.done()
        for connection in connections:
            assert connection.peer.receive(6) == b"corked"
        assert [protocol.called for protocol in protocols] == [1] * raising
        if exception is LookupError:
            assert (raised, reported) == (0, [LookupError] * raising)
        else:
            # Of several exceptions Python raises one, with the others as its context.
            assert raised >= 1
            assert reported == []
        for connection, protocol in zip(connections, streams, strict=True):
            connection.transport.set_protocol(protocol)
        loop.run_until_complete(abort_connections(connections))
