"""An exception out of a protocol's callback while corked data leaves: the data of all others leaves nevertheless."""

import asyncio

import pytest

from engine.peer_connections import abort_connections, loops_that_step, open_connections, wait_for_readers
from support import loops
from support.raw_peer import RawPeers

COUNT = 8


class Interrupting(asyncio.Protocol):
    """Raises out of resume_writing."""

    def __init__(self, exception: type[BaseException]) -> None:
        self.exception = exception
        self.called = 0

    def resume_writing(self) -> None:
        self.called += 1
        raise self.exception("from resume_writing")


@loops_that_step
@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, LookupError])
@pytest.mark.parametrize("interrupting", [1, 3])
def test_the_others_data_leaves(loop_kind: str, raw_peers: RawPeers, exception: type[BaseException], interrupting: int):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        told = []
        loop.set_exception_handler(lambda _loop, context: told.append(type(context["exception"])))
        connections = loop.run_until_complete(open_connections(raw_peers, COUNT))
        streams = [connection.transport.get_protocol() for connection in connections]
        protocols = [Interrupting(exception) for _ in connections[:interrupting]]
        for connection, protocol in zip(connections, protocols, strict=False):
            connection.transport.set_protocol(protocol)

        async def handle():
            await connections[-1].reader.readexactly(1)
            for number, connection in enumerate(connections):
                connection.transport.write(b"corked")
                if number < interrupting:
                    # Writing is paused here, and resumed when the data leaves at the end of the step.
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
                # The stop that uvloop makes of an interrupt may meet the next run.
                assert loop_kind == "uvloop"
        assert handling.done()
        for connection in connections:
            assert connection.peer.receive(6) == b"corked"
        assert [protocol.called for protocol in protocols] == [1] * interrupting
        if exception is LookupError:
            assert (raised, told) == (0, [LookupError] * interrupting)
        else:
            # Of several that come at once Python tells one, with the others as its context.
            assert raised >= 1
            assert told == []
        for connection, protocol in zip(connections, streams, strict=True):
            connection.transport.set_protocol(protocol)
        loop.run_until_complete(abort_connections(connections))
