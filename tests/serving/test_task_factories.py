"""S12: servers work with task factories of two parameters and with tasks that have no name."""

import asyncio
import sys
import types
from typing import Any

import pytest

from support import loops
from support.connections import server_address


class KeywordLoop(asyncio.SelectorEventLoop):
    """Its create_task passes keywords to the task factory, as in CPython 3.13.3 and later."""

    def create_task(self, coro: Any, **keywords: Any) -> Any:
        if self._task_factory is None:
            return asyncio.Task(coro, loop=self, **keywords)
        return self._task_factory(self, coro, **keywords)


class NamelessTask(asyncio.Task[Any]):
    set_name: Any = None

    def __getattribute__(self, name: str) -> Any:
        if name == "set_name":
            raise AttributeError(name)
        return super().__getattribute__(name)


def factory_of_two_parameters(loop: Any, coro: Any) -> Any:
    return asyncio.Task(coro, loop=loop)


def factory_of_nameless_tasks(loop: Any, coro: Any) -> Any:
    return NamelessTask(coro, loop=loop)


async def serve_one(streams: types.ModuleType) -> str:
    """Return the name of the task that served a connection."""
    names: list[str] = []

    async def handle(reader: Any, writer: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())
        writer.write(await reader.readline())
        writer.close()

    async with await streams.start_server(handle, "127.0.0.1", 0) as server:
        reader, writer = await streams.open_connection(*server_address(server))
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
    (name,) = names
    return name


# uvloop itself calls every task factory with ``context=``, so these factories fail there without streams, too.
@pytest.mark.loops("asyncio", "debug")
@pytest.mark.reference_fails(
    "S12", "since 3.15, it passes context= to the task factory", when=lambda _: sys.version_info >= (3, 15), run=False
)
@pytest.mark.parametrize(
    ("factory", "own_loop"),
    [
        (factory_of_two_parameters, True),
        (factory_of_two_parameters, False),
        # Some loops of CPython call set_name() themselves.
        (factory_of_nameless_tasks, True),
    ],
)
def test_server_serves_with_task_factory_that_takes_no_keywords(
    streams: types.ModuleType, loop_kind: str, factory: Any, own_loop: bool
) -> None:
    """``own_loop``: a KeywordLoop, whatever the kind of loop is."""
    reports: list[dict[str, Any]] = []
    loop = KeywordLoop() if own_loop else loops.new_runner(loop_kind).get_loop()
    try:
        loop.set_exception_handler(lambda loop, context: reports.append(context))
        loop.set_task_factory(factory)
        name = loop.run_until_complete(asyncio.Task(serve_one(streams), loop=loop))
    finally:
        loop.close()
    assert reports == []
    if streams.__name__ == "sluiceway":
        assert name.startswith("sluiceway handler of 127.0.0.1:" if factory is factory_of_two_parameters else "Task-")
