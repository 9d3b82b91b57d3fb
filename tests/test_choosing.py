"""Which core and which engine a process gets: by what is installed, by PENSTOCK_PURE and by PENSTOCK_ENGINE."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

COMPILED = importlib.util.find_spec("penstock._core_c.reader") is not None
ENGINE = importlib.util.find_spec("penstock._engine.transport") is not None

BEST = ("compiled" if COMPILED else "pure", "epoll" if ENGINE else "loop")

# As if it had not been compiled.
WITHOUT_THE_ENGINE = "import sys; sys.modules['penstock._engine.transport'] = None"

WHAT_CARRIES = """
import asyncio, socket

async def main():
    mine, peers = socket.socketpair()
    reader, writer = await penstock.open_connection(sock=mine)
    peers.sendall(b"line\\n")
    assert await reader.readline() == b"line\\n"
    print(type(writer.transport).__module__)
    peers.close()
    writer.close()
    await writer.wait_closed()

asyncio.run(main())
"""


def python(script: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with these variables of penstock's and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
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
    result = python(f"{before}\nimport penstock; print(penstock.IMPLEMENTATION, penstock.ENGINE)", variables)
    assert result.stderr == ""
    return tuple(result.stdout.split())


def refusal(variables: dict[str, str], before: str = "") -> str:
    """Return the last line of the traceback with which importing penstock fails."""
    result = python(f"{before}\nimport penstock", variables)
    assert result.returncode != 0, "it was imported"
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("variables", [{}, {"PENSTOCK_ENGINE": ""}, {"PENSTOCK_PURE": ""}, {"PENSTOCK_PURE": "0"}])
def test_the_best_there_is_where_nothing_is_said(variables: dict[str, str]) -> None:
    assert chosen(variables) == BEST


def test_the_loops_own_transports() -> None:
    assert chosen({"PENSTOCK_ENGINE": "loop"}) == (BEST[0], "loop")


@pytest.mark.parametrize("variables", [{}, {"PENSTOCK_ENGINE": "loop"}])
def test_the_pure_core_goes_without_the_engine(variables: dict[str, str]) -> None:
    assert chosen({"PENSTOCK_PURE": "1", **variables}) == ("pure", "loop")


def test_without_the_engine_the_loops_transports_are_used() -> None:
    assert chosen({}, WITHOUT_THE_ENGINE) == (BEST[0], "loop")


def test_an_engine_that_is_not_there_is_an_error_where_it_was_asked_for() -> None:
    said = refusal({"PENSTOCK_ENGINE": "epoll"}, WITHOUT_THE_ENGINE)
    assert said.startswith("ImportError: PENSTOCK_ENGINE=epoll, but the engine was not compiled here: ")


def test_the_engine_and_the_pure_core_contradict_each_other() -> None:
    said = refusal({"PENSTOCK_ENGINE": "epoll", "PENSTOCK_PURE": "1"})
    assert said == "ImportError: PENSTOCK_ENGINE=epoll contradicts PENSTOCK_PURE: the engine has no pure twin"


@pytest.mark.parametrize("name", ["asyncio", "Epoll", "1"])
def test_an_engine_of_another_name(name: str) -> None:
    said = refusal({"PENSTOCK_ENGINE": name})
    assert said == f"ImportError: PENSTOCK_ENGINE is epoll or loop, not {name!r}"


@pytest.mark.parametrize("variables", [{}, {"PENSTOCK_ENGINE": "loop"}, {"PENSTOCK_PURE": "1"}])
def test_it_carries_what_it_says(variables: dict[str, str]) -> None:
    engine = chosen(variables)[1]
    result = python(f"import penstock\n{WHAT_CARRIES}", variables)
    assert result.stderr == ""
    assert result.stdout.strip() == ("penstock._engine.facade" if engine == "epoll" else "asyncio.selector_events")
