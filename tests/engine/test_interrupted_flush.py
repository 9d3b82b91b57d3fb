"""An exception out of a protocol's callback while corked data leaves: the data of all others leaves nevertheless."""

import asyncio

import pytest

from engine.ends import closed, opened, waiting
from support import loops
from support.peer import Peers

COUNT = 8


class Interrupting(asyncio.Protocol):
    """Raises out of resume_writing."""

    def __init__(self, exception: type[BaseException]) -> None:
        self.exception = exception
        self.called = 0

    def resume_writing(self) -> None:
        self.called += 1
        raise self.exception("from resume_writing")


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, LookupError])
@pytest.mark.parametrize("interrupting", [1, 3])
def test_the_others_data_leaves(loop_kind: str, peer: Peers, exception: type[BaseException], interrupting: int):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        told = []
        loop.set_exception_handler(lambda _loop, context: told.append(type(context["exception"])))
        ends = loop.run_until_complete(opened(peer, COUNT))
        streams = [end.transport.get_protocol() for end in ends]
        protocols = [Interrupting(exception) for _ in ends[:interrupting]]
        for end, protocol in zip(ends, protocols, strict=False):
            end.transport.set_protocol(protocol)

        async def handle():
            await ends[-1].reader.readexactly(1)
            for number, end in enumerate(ends):
                end.transport.write(b"corked")
                if number < interrupting:
                    # Writing is paused here, and resumed when the data leaves at the end of the step.
                    end.transport.set_write_buffer_limits(5)

        handling = loop.create_task(handle())
        loop.run_until_complete(waiting(ends[-1]))
        ends[-1].wire.send(b"!")
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
        for end in ends:
            assert end.wire.receive(6) == b"corked"
        assert [protocol.called for protocol in protocols] == [1] * interrupting
        if exception is LookupError:
            assert (raised, told) == (0, [LookupError] * interrupting)
        else:
            # Of several that come at once Python tells one, with the others as its context.
            assert raised >= 1
            assert told == []
        for end, protocol in zip(ends, streams, strict=True):
            end.transport.set_protocol(protocol)
        loop.run_until_complete(closed(ends))
