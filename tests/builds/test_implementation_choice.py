"""The core and the engine that a process uses: by what is installed, by SLUICEWAY_PURE and by SLUICEWAY_ENGINE."""

import os
import subprocess
import sys
import textwrap

import pytest

from support.certificates import Certificates
from support.package import module_exists
from support.timeouts import PROCESS_TIMEOUT

COMPILED = module_exists("sluiceway._core_c.read_operations")
ENGINE = module_exists("sluiceway._transports.epoll.stream_socket")

BEST = ("compiled" if COMPILED else "pure", "epoll" if ENGINE else "loop")

# Statements after which a module cannot be imported.
WITHOUT_ENGINE = "import sys; sys.modules['sluiceway._transports.epoll.stream_socket'] = None"
WITHOUT_CORE = "import sys; sys.modules['sluiceway._core_c.receiver'] = None"

PRINT_TRANSPORT_MODULE = """
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


def run_python(script: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script in a child process with only these variables of sluiceway."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEWAY_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )


def implementation_in_use(variables: dict[str, str], first_statement: str = "") -> tuple[str, ...]:
    """Return the core and the engine that a child process reports."""
    result = run_python(
        f"{first_statement}\nimport sluiceway; print(sluiceway.IMPLEMENTATION, sluiceway.ENGINE)", variables
    )
    assert result.stderr == ""
    return tuple(result.stdout.split())


def import_error(variables: dict[str, str], first_statement: str = "") -> str:
    """Return the last line of the traceback of a failed import of sluiceway."""
    result = run_python(f"{first_statement}\nimport sluiceway", variables)
    assert result.returncode != 0, "the import did not fail"
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_ENGINE": ""}, {"SLUICEWAY_PURE": ""}, {"SLUICEWAY_PURE": "0"}])
def test_fastest_installed_core_and_engine_are_default(variables: dict[str, str]) -> None:
    assert implementation_in_use(variables) == BEST


def test_engine_variable_selects_transports_of_loop() -> None:
    assert implementation_in_use({"SLUICEWAY_ENGINE": "loop"}) == (BEST[0], "loop")


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_ENGINE": "loop"}])
def test_pure_core_uses_transports_of_loop(variables: dict[str, str]) -> None:
    assert implementation_in_use({"SLUICEWAY_PURE": "1", **variables}) == ("pure", "loop")


@pytest.mark.skipif(not ENGINE, reason="the engine is not compiled here")
def test_engine_that_fails_to_load_is_logged_and_replaced_by_transports_of_loop() -> None:
    result = run_python(f"{WITHOUT_ENGINE}\nimport sluiceway; print(sluiceway.IMPLEMENTATION, sluiceway.ENGINE)", {})
    assert result.stdout.split() == ["compiled", "loop"]
    (line,) = result.stderr.splitlines()
    assert line.startswith("cannot import the compiled engine: ")
    assert line.endswith("; using the loop's transports, which are slower")
    assert "stream_socket" in line


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_core_that_fails_to_load_is_logged_and_replaced_by_pure_core() -> None:
    result = run_python(f"{WITHOUT_CORE}\nimport sluiceway; print(sluiceway.IMPLEMENTATION, sluiceway.ENGINE)", {})
    assert result.stdout.split() == ["pure", "loop"]
    (line,) = result.stderr.splitlines()
    assert line.startswith("cannot import the compiled core: ")
    assert line.endswith("; using the pure Python core, which is slower")
    assert "receiver" in line


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_doctor_names_part_that_fails_to_load_and_reason() -> None:
    script = f"{WITHOUT_CORE}\nfrom sluiceway.cli import main\nsys.argv = ['sluiceway', 'doctor']\nmain()"
    output = " ".join(run_python(script, {}).stdout.split())
    assert "cannot import the compiled core: " in output
    assert "sluiceway._core_c.receiver" in output


def test_requested_engine_without_core_raises_import_error() -> None:
    error = import_error({"SLUICEWAY_ENGINE": "epoll"}, WITHOUT_CORE)
    assert error.startswith("ImportError: SLUICEWAY_ENGINE=epoll needs the compiled core, which cannot be imported: ")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="InterpreterPoolExecutor is new in Python 3.14")
def test_subinterpreter_uses_pure_core_and_logs_reason() -> None:
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
    result = run_python(script, {})
    assert result.stdout.split() == ["b'line\\n'", "pure", "loop"]
    if COMPILED:
        assert "cannot import the compiled core: " in result.stderr
        assert "subinterpreters" in result.stderr


def test_requested_engine_that_is_not_compiled_raises_import_error() -> None:
    error = import_error({"SLUICEWAY_ENGINE": "epoll"}, WITHOUT_ENGINE)
    assert error.startswith("ImportError: SLUICEWAY_ENGINE=epoll: cannot import the engine: ")
    assert error.endswith("; unset SLUICEWAY_ENGINE, or install sluiceway again with a C compiler")


def test_requested_engine_with_pure_core_raises_import_error() -> None:
    error = import_error({"SLUICEWAY_ENGINE": "epoll", "SLUICEWAY_PURE": "1"})
    assert error == (
        "ImportError: SLUICEWAY_ENGINE=epoll needs the compiled core, which SLUICEWAY_PURE disables; unset one"
    )


@pytest.mark.parametrize("name", ["asyncio", "Epoll", "1"])
def test_unknown_engine_raises_import_error(name: str) -> None:
    error = import_error({"SLUICEWAY_ENGINE": name})
    assert error == f"ImportError: SLUICEWAY_ENGINE must be 'epoll', 'loop' or empty, not {name!r}"


def test_unknown_select_raises_import_error() -> None:
    assert import_error({"SLUICEWAY_SELECT": "1"}) == "ImportError: SLUICEWAY_SELECT must be 'loop' or empty, not '1'"


@pytest.mark.parametrize(("value", "replaced"), [(None, ENGINE), ("", ENGINE), ("loop", False)])
def test_select_variable_leaves_select_of_loop(value: str | None, replaced: bool) -> None:
    script = PRINT_TRANSPORT_MODULE.replace(
        "print(type(writer.transport).__module__)", "print('select' in vars(asyncio.get_running_loop()._selector))"
    )
    result = run_python(f"import sluiceway\n{script}", {} if value is None else {"SLUICEWAY_SELECT": value})
    assert (result.stdout.strip(), result.stderr) == (str(replaced), "")


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_ENGINE": "loop"}, {"SLUICEWAY_PURE": "1"}])
def test_connection_uses_reported_engine(variables: dict[str, str]) -> None:
    engine = implementation_in_use(variables)[1]
    result = run_python(f"import sluiceway\n{PRINT_TRANSPORT_MODULE}", variables)
    assert result.stderr == ""
    assert result.stdout.strip() == (
        "sluiceway._transports.epoll.transport" if engine == "epoll" else "asyncio.selector_events"
    )


# As truststore does when a program calls inject_into_ssl().
REPLACE_SSL_CONTEXT = """
import _ssl, ssl

class Other(ssl.SSLContext):
    # That of ssl.SSLContext refers to the name of the module.
    def __new__(cls):
        return _ssl._SSLContext.__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def cert_store_stats(self):
        raise NotImplementedError

own = ssl.SSLContext, ssl.create_default_context
ssl.SSLContext, ssl.create_default_context = Other, Other
"""


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_PURE": "1"}])
def test_default_context_is_created_if_its_class_was_replaced_before_the_import(
    variables: dict[str, str], tls: Certificates
) -> None:
    script = """
import asyncio
from sluiceway._transports.tls.default_context import SharedContext, default_context

async def main():
    loop = asyncio.get_running_loop()
    first = await default_context.get(loop)
    print(type(first) is Other, await default_context.get(loop) is first)
    ssl.SSLContext, ssl.create_default_context = own
    print(type(await default_context.get(loop)) is SharedContext)

asyncio.run(main())
"""
    result = run_python(REPLACE_SSL_CONTEXT + script, {**variables, "SSL_CERT_FILE": str(tls.ca_file)})
    assert (result.stdout, result.stderr) == ("True False\nTrue\n", "")


@pytest.mark.parametrize("variables", [{}, {"SLUICEWAY_ENGINE": "loop"}, {"SLUICEWAY_PURE": "1"}])
def test_import_succeeds_after_the_classes_of_sockets_were_replaced(variables: dict[str, str]) -> None:
    """A library for tests, such as mocket, replaces them by a class that lacks some methods, until it is disabled."""
    script = f"""
import socket
own = socket.socket, socket.SocketType
socket.socket = socket.SocketType = type("Other", (), {{}})
import sluiceway
socket.socket, socket.SocketType = own
{PRINT_TRANSPORT_MODULE}
"""
    result = run_python(script, variables)
    assert result.stderr == ""
    assert "transport" in result.stdout or "selector" in result.stdout
