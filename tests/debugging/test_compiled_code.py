"""S13: stacks, reprs, warnings, tracebacks and pdb name the method and show its source, also where it is compiled."""

import asyncio
import contextlib
import gc
import io
import linecache
import pdb  # noqa: T100
import re
import subprocess
import sys
import traceback
import types
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from support.raw_peer import RawPeers

pytestmark = pytest.mark.loops("asyncio")

READS: dict[str, Callable[[Any], Coroutine[Any, Any, bytes]]] = {
    "read": lambda reader: reader.read(5),
    "readexactly": lambda reader: reader.readexactly(5),
    "readuntil": lambda reader: reader.readuntil(),
    "readline": lambda reader: reader.readline(),
    "__anext__": lambda reader: reader.__anext__(),
}
for_each_read = pytest.mark.parametrize("method", READS)


@contextlib.asynccontextmanager
async def open_streams(streams: types.ModuleType, raw_peers: RawPeers) -> AsyncIterator[tuple[Any, Any]]:
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address)
    listener.accept()
    yield reader, writer
    writer.close()
    await writer.wait_closed()


@contextlib.asynccontextmanager
async def waiting_read_task(streams: types.ModuleType, raw_peers: RawPeers, method: str) -> AsyncIterator[Any]:
    """Yield a waiting task whose coroutine is the read itself."""
    async with open_streams(streams, raw_peers) as (reader, _):
        task = asyncio.create_task(READS[method](reader))
        await asyncio.sleep(0)
        yield task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@for_each_read
async def test_print_stack_shows_the_method_and_a_line_of_its_source(
    streams: types.ModuleType, raw_peers: RawPeers, method: str
) -> None:
    linecache.clearcache()
    output = io.StringIO()
    async with waiting_read_task(streams, raw_peers, method) as task:
        task.print_stack(file=output)
        (frame,) = task.get_stack()
    assert frame.f_code.co_name == method
    assert re.search(rf'File ".+", line \d+, in {method}\n    \S', output.getvalue()), output.getvalue()


@for_each_read
async def test_repr_of_a_task_names_the_method_and_its_line(
    streams: types.ModuleType, raw_peers: RawPeers, method: str
) -> None:
    async with waiting_read_task(streams, raw_peers, method) as task:
        assert re.search(rf"StreamReader\.{method}\(\) running at \S+\.py:\d+> wait_for=<\w+ pending", repr(task))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
@for_each_read
async def test_call_graph_shows_the_method(streams: types.ModuleType, raw_peers: RawPeers, method: str) -> None:
    async with waiting_read_task(streams, raw_peers, method) as task:
        assert re.search(rf"\b{method}\(\)", asyncio.format_call_graph(task))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
async def test_call_graph_ends_at_the_first_compiled_coroutine(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """docs/reference/debugging-tools.md states what is left out. ``python -m asyncio ps`` reads the same fields."""

    async def next_line(reader: Any) -> bytes:
        return await reader.readline()  # type: ignore[no-any-return]

    async with open_streams(streams, raw_peers) as (reader, _):
        frames = {}
        for name, call in (("own", next_line(reader)), ("wait_for", asyncio.wait_for(reader.readline(), 60))):
            task = asyncio.create_task(call)
            await asyncio.sleep(0)
            graph = asyncio.capture_call_graph(task)
            frames[name] = [entry.frame.f_code.co_name for entry in graph.call_stack]
            task.cancel()
            await asyncio.wait([task])
    pure = isinstance(streams.StreamReader.readline, types.FunctionType)
    assert frames["own"][-1] == "next_line"
    assert ("readline" in frames["own"]) is ("readline" in frames["wait_for"]) is pure


async def test_never_awaited_warning_names_class_and_method(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    async with open_streams(streams, raw_peers) as (reader, writer):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for read in READS.values():
                read(reader)
            writer.drain()
            gc.collect()
    names = [f"StreamReader.{method}" for method in READS] + ["StreamWriter.drain"]
    assert [str(warning.message) for warning in caught] == [f"coroutine '{name}' was never awaited" for name in names]


async def test_traceback_and_debugger_show_the_source_of_each_frame(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    linecache.clearcache()
    async with open_streams(streams, raw_peers) as (reader, _):
        with pytest.raises(ValueError, match="less than zero") as caught:
            await reader.readexactly(-1)
    formatted = "".join(traceback.format_exception(caught.value))
    assert re.search(r"in readexactly\n    raise ValueError", formatted), formatted

    linecache.clearcache()
    output = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("where\nquit\n"), stdout=output, nosigint=True, readrc=False)
    debugger.reset()
    debugger.interaction(None, caught.value.__traceback__)
    assert re.search(r"readexactly\(.*\n-> raise ValueError", output.getvalue()), output.getvalue()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python's linecache imports modules itself, which fails then")
def test_log_record_with_traceback_is_complete_while_the_interpreter_exits() -> None:
    """Python then refuses imports and builtin functions, and has no search path for the relative names of the files."""
    program = """
import asyncio, logging
import sluiceway

class Late:
    def __del__(self, log=logging.getLogger("late")):
        try:
            self.reader.feed_data("text")
        except TypeError:
            log.exception("feed_data")

logging.basicConfig()
loop = asyncio.new_event_loop()
late = Late()
late.reader = sluiceway.StreamReader(loop=loop)
loop.close()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "ERROR:late:feed_data\n" in result.stderr
    assert "    data = as_bytes(data)\n" in result.stderr, result.stderr
    assert "Exception ignored" not in result.stderr
