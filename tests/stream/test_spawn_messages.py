"""spawn(): messages of the streams of a child name the pipe that the call uses."""

import asyncio
import contextlib
import pathlib
import subprocess

import pytest

import sluiceway
from support.child_watchers import join_watchers
from support.scheduling import start_task


async def test_messages_name_pipe_of_child_that_call_uses() -> None:
    async with sluiceway.spawn("cat", stderr=subprocess.PIPE) as child:
        output, given = f"pipe <stdout of child {child.pid}>", f"pipe <stdin of child {child.pid}>"
        stdio = child.stdio
        assert repr(stdio) == f"<Stream {output} and {given}>"
        assert repr(child.stderr) == f"<Stream pipe <stderr of child {child.pid}>>"
        assert repr(stdio.lines()).startswith(f"<lines() of {output} ")
        for read in (stdio.read, stdio.read_line, lambda **limit: anext(stdio.lines(**limit))):
            with pytest.raises(TimeoutError, match=f" s: {output}$"):
                await read(timeout=0.001)
        reading = await start_task(stdio.read())
        with pytest.raises(RuntimeError, match=rf"\({output}\)$"):
            await stdio.read()
        reading.cancel()
        # More than the pipes, the buffers and the high-water mark take.
        with pytest.raises(TimeoutError, match=rf"^send\(\) timed out after 0.001 s: {given}$"):
            await stdio.send(bytes(10_000_000), timeout=0.001)
        with pytest.raises(TimeoutError, match=rf"^flush\(\) timed out after 0.001 s: {given}$"):
            await stdio.flush(timeout=0.001)
        with pytest.raises(TimeoutError, match=f"^deadline timed out after 0.001 s: {output} and {given}$"):
            async with stdio.deadline(0.001):
                await asyncio.Event().wait()
        await stdio.skip(10_000_000)
        await stdio.send_eof()
        with pytest.raises(sluiceway.IncompleteReadError, match=f" of 1 bytes: {output}$"):
            await stdio.read_exactly(1)
        await stdio.aclose()
        with pytest.raises(ConnectionError, match=rf"^read\(\): {output} is closed"):
            await stdio.read()


async def test_messages_name_pipe_of_child_of_asyncio_that_call_uses(cleanup: contextlib.ExitStack) -> None:
    """Only the connection of the input is sluiceway's."""
    cleanup.callback(join_watchers)
    with sluiceway.installed():
        child = await asyncio.create_subprocess_exec("sleep", "60", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stream = sluiceway.Stream.from_pair(child.stdout, child.stdin)  # type: ignore[arg-type]
    pipes = [half._transport.get_extra_info("pipe") for half in (child.stdout, child.stdin)]  # type: ignore[union-attr]
    if None not in pipes:  # uvloop's transports have no names.
        output, given = (f"pipe {pipe.name}" for pipe in pipes)
        assert repr(stream) == f"<Stream {output} and {given}>"
        with pytest.raises(TimeoutError, match=f" s: {output}$"):
            await stream.read(timeout=0.001)
        # More than the pipe and the high-water mark take.
        with pytest.raises(TimeoutError, match=f" s: {given}$"):
            await stream.send(bytes(10_000_000), timeout=0.001)
    child.kill()
    await child.wait()


@pytest.mark.parametrize("command", ["no-such-program -l -a", b"no-such-program -l -a"])
async def test_command_line_in_one_argument_raises_file_not_found_error_with_advice(command: str | bytes) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        await sluiceway.spawn(command)
    assert raised.value.__notes__ == [
        "spawn() splits no command line; pass program and arguments one by one: spawn('no-such-program', '-l', '-a')"
    ]


@pytest.mark.parametrize("command", [("no-such-program",), ("no such program", "-l")])
async def test_missing_program_raises_file_not_found_error_without_advice(command: tuple[str, ...]) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        await sluiceway.spawn(*command)
    assert not hasattr(raised.value, "__notes__")


async def test_missing_directory_raises_file_not_found_error_without_advice_on_the_command(
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing'\)?$") as raised:
        await sluiceway.spawn("no-such-program -l", cwd=tmp_path / "missing")
    assert not hasattr(raised.value, "__notes__")
