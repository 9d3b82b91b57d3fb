"""S12: servers work with task factories of two parameters and with tasks that have no name."""

import asyncio
from typing import Any

import pytest

import sluiceway
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


async def serve_one() -> str:
    """Return the name of the task that served a connection."""
    names: list[str] = []

    async def handle(reader: Any, writer: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())
        writer.write(await reader.readline())
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server))
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
    (name,) = names
    return name


@pytest.mark.parametrize("factory", [factory_of_two_parameters, factory_of_nameless_tasks])
def test_server_serves_with_task_factory_that_takes_no_keywords(factory: Any) -> None:
    reports: list[dict[str, Any]] = []
    loop = KeywordLoop()
    try:
        loop.set_exception_handler(lambda loop, context: reports.append(context))
        loop.set_task_factory(factory)
        name = loop.run_until_complete(asyncio.Task(serve_one(), loop=loop))
    finally:
        loop.close()
    assert reports == []
    assert name.startswith("sluiceway handler of 127.0.0.1:" if factory is factory_of_two_parameters else "Task-")
