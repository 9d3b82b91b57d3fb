"""Which core and which engine a process gets: by what is installed, by SLUICEWAY_PURE and by SLUICEWAY_ENGINE."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

COMPILED = importlib.util.find_spec("sluiceway._core_c.read_operations") is not None
ENGINE = importlib.util.find_spec("sluiceway._transports.epoll.stream_socket") is not None

BEST = ("compiled" if COMPILED else "pure", "epoll" if ENGINE else "loop")

# As if these could not be loaded.
WITHOUT_THE_ENGINE = "import sys; sys.modules['sluiceway._transports.epoll.stream_socket'] = None"
WITHOUT_THE_CORE = "import sys; sys.modules['sluiceway._core_c.receiver'] = None"

WHAT_CARRIES = """
import asyncio, socket

async def main():
    mine, peers = socket.socketpair()
    reader, writer = await sluiceway.open_connection(sock=mine)
    peers.sendall(b"line\\n")
    assert await reader.readline() == b"line\\n"
    print(type(writer.transport).__module__)
    peers.close()
    writer.close()
    await writer.wait_closed()

asyncio.run(main())
"""


def python(script: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with these variables of sluiceway's and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEWAY_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def chosen(variables: dict[str, str], before: str = "") -> tuple[str, ...]:
    """Return what a process says it uses."""
    result = python(f"{before}\nimport sluiceway; print(sluiceway.IMPLEMENTATION, sluiceway.ENGINE)", variables)
    assert result.stderr == ""
    return tuple(result.stdout.split())


def refusal(variables: dict[str, str], before: str = "") -> str:
    """Return the last line of the traceback with which importing sluiceway fails."""
    result = python(f"{before}\nimport sluiceway", variables)
    assert result.returncode != 0, "it was imported"
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_ENGINE": ""}, {"SLUICEWAY_PURE": ""}, {"SLUICEWAY_PURE": "0"}])
def test_the_best_there_is_where_nothing_is_said(variables: dict[str, str]) -> None:
    assert chosen(variables) == BEST


def test_the_loops_own_transports() -> None:
    assert chosen({"SLUICEWAY_ENGINE": "loop"}) == (BEST[0], "loop")


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_ENGINE": "loop"}])
def test_the_pure_core_goes_without_the_engine(variables: dict[str, str]) -> None:
    assert chosen({"SLUICEWAY_PURE": "1", **variables}) == ("pure", "loop")


@pytest.mark.skipif(not ENGINE, reason="the engine is not compiled here")
def test_engine_that_cannot_be_loaded_is_logged_and_the_loops_transports_are_used() -> None:
    result = python(f"{WITHOUT_THE_ENGINE}\nimport sluiceway; print(sluiceway.IMPLEMENTATION, sluiceway.ENGINE)", {})
    assert result.stdout.split() == ["compiled", "loop"]
    (line,) = result.stderr.splitlines()
    assert line.startswith("the compiled engine cannot be used: ")
    assert line.endswith("; the loop's transports are used, which are slower")
    assert "stream_socket" in line


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_core_that_cannot_be_loaded_is_logged_and_the_pure_core_is_used() -> None:
    result = python(f"{WITHOUT_THE_CORE}\nimport sluiceway; print(sluiceway.IMPLEMENTATION, sluiceway.ENGINE)", {})
    assert result.stdout.split() == ["pure", "loop"]
    (line,) = result.stderr.splitlines()
    assert line.startswith("the compiled core cannot be used: ")
    assert line.endswith("; the pure core is used, which is slower")
    assert "receiver" in line


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_doctor_names_the_part_that_cannot_be_loaded_and_the_reason() -> None:
    script = f"{WITHOUT_THE_CORE}\nfrom sluiceway.cli import main\nsys.argv = ['sluiceway', 'doctor']\nmain()"
    output = " ".join(python(script, {}).stdout.split())
    assert "the compiled core cannot be used: " in output
    assert "sluiceway._core_c.receiver" in output


def test_engine_asked_for_is_an_error_where_the_core_cannot_be_loaded() -> None:
    said = refusal({"SLUICEWAY_ENGINE": "epoll"}, WITHOUT_THE_CORE)
    assert said.startswith("ImportError: SLUICEWAY_ENGINE=epoll, but the engine needs the compiled core: ")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor is new in Python 3.14")
def test_a_subinterpreter_uses_the_pure_core_and_logs_why() -> None:
    script = """
    from concurrent.futures import InterpreterPoolExecutor

    def use():
        import asyncio, socket, sluiceway

        async def main():
            mine, peers = socket.socketpair()
            reader, writer = await sluiceway.open_connection(sock=mine)
            peers.sendall(b"line\\n")
            peers.close()
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return line

        return asyncio.run(main()), sluiceway.IMPLEMENTATION, sluiceway.ENGINE

    with InterpreterPoolExecutor(1) as executor:
        print(*executor.submit(use).result())
    """
    result = python(script, {})
    assert result.stdout.split() == ["b'line\\n'", "pure", "loop"]
    if COMPILED:
        assert "the compiled core cannot be used: " in result.stderr
        assert "subinterpreters" in result.stderr


def test_an_engine_that_is_not_there_is_an_error_where_it_was_asked_for() -> None:
    said = refusal({"SLUICEWAY_ENGINE": "epoll"}, WITHOUT_THE_ENGINE)
    assert said.startswith("ImportError: SLUICEWAY_ENGINE=epoll, but the engine was not compiled here: ")


def test_the_engine_and_the_pure_core_contradict_each_other() -> None:
    said = refusal({"SLUICEWAY_ENGINE": "epoll", "SLUICEWAY_PURE": "1"})
    assert said == "ImportError: SLUICEWAY_ENGINE=epoll contradicts SLUICEWAY_PURE: the engine needs the compiled core"


@pytest.mark.parametrize("name", ["asyncio", "Epoll", "1"])
def test_an_engine_of_another_name(name: str) -> None:
    said = refusal({"SLUICEWAY_ENGINE": name})
    assert said == f"ImportError: SLUICEWAY_ENGINE is epoll or loop, not {name!r}"


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_ENGINE": "loop"}, {"SLUICEWAY_PURE": "1"}])
def test_it_carries_what_it_says(variables: dict[str, str]) -> None:
    engine = chosen(variables)[1]
    result = python(f"import sluiceway\n{WHAT_CARRIES}", variables)
    assert result.stderr == ""
    assert result.stdout.strip() == (
        "sluiceway._transports.epoll.transport" if engine == "epoll" else "asyncio.selector_events"
    )
