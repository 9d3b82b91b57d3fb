"""The programs of examples/ do what they state, each with a real peer."""

import contextlib
import importlib.util
import json
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
from typing import Any

import pytest

import sluiceway
from examples.programs import EXAMPLES, arguments_of, connected, environment, running
from support.certificates import Certificates
from support.external_programs import environment_without_preload, require_program
from support.timeouts import PEER_TIMEOUT, PROCESS_TIMEOUT

README = pathlib.Path(EXAMPLES / "README.md")


def test_chat_server_passes_lines_to_all_other_members() -> None:
    with running("chat_server.py", "127.0.0.1", "0") as program:
        port = program.port()
        with connected(port) as (first, to_first):
            with connected(port) as (second, to_second):
                assert to_first.readline() == b"guest 2 joined\n"
                with connected(port) as (_, to_third):
                    assert to_first.readline() == to_second.readline() == b"guest 3 joined\n"
                    second.sendall(b"x" * 5000 + b"\nhello, ")
                    second.sendall(b"all\r\n")
                    assert to_first.readline() == to_third.readline() == b"guest 2: hello, all\n"
                assert to_first.readline() == to_second.readline() == b"guest 3 left\n"
                first.sendall(b"bye\n")
                assert to_second.readline() == b"guest 1: bye\n"


def test_chat_server_disconnects_member_that_does_not_read() -> None:
    with running("chat_server.py", "127.0.0.1", "0") as program:
        port = program.port()
        with connected(port) as (silent, _), connected(port) as (_, observer), connected(port) as (busy, _):
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stop = threading.Event()

            def talk() -> None:
                with contextlib.suppress(OSError):
                    while not stop.is_set():
                        busy.sendall(b"y" * 900 + b"\n")

            talking = threading.Thread(target=talk)
            talking.start()
            try:
                while observer.readline() != b"guest 1 left\n":
                    pass
            finally:
                stop.set()
                talking.join()


def test_key_value_server_answers_redis_cli() -> None:
    redis_cli = require_program("redis-cli", "redis-tools")
    with running("key_value_server.py", "127.0.0.1", "0") as program:
        port = program.port()

        def run(*command: str, stdin: str = "") -> str:
            return subprocess.run(
                [redis_cli, "-p", str(port), *command],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=PROCESS_TIMEOUT,
                check=True,
                env=environment_without_preload(),
            ).stdout

        assert run("ping") == "PONG\n"
        assert run("set", "greeting", "hello,\nworld") == "OK\n"
        assert run("get", "greeting") == "hello,\nworld\n"
        assert run(stdin="set other 1\nkeys *\ndel greeting other nothing\nget other\n") == "OK\ngreeting\nother\n2\n\n"
        assert run("flushall").startswith("ERR unknown command")


def test_key_value_server_answers_lines_and_malformed_commands() -> None:
    with running("key_value_server.py", "127.0.0.1", "0") as program:
        port = program.port()
        for sent, answer in {
            b"PING\r\nset a b\r\nGET a\r\n": b"+PONG\r\n+OK\r\n$1\r\nb\r\n",
            b"\n*0\r\n \r\nPING\n": b"+PONG\r\n",
            b"*1\r\n:4\r\n": b"-ERR Protocol error: expected '$', got b':'\r\n",
            b"*99999\r\n": b"-ERR Protocol error: invalid length b'99999'\r\n",
            b"*1\r\n$9999999\r\n": b"-ERR Protocol error: invalid length b'9999999'\r\n",
            b"x" * 70_000: b"-ERR Protocol error: too big inline request\r\n",
        }.items():
            with connected(port) as (sock, file):
                sock.sendall(sent)
                assert file.read(len(answer)) == answer


def frame(message: Any) -> bytes:
    data = json.dumps(message).encode()
    return struct.pack(">I", len(data)) + data


def test_rpc_server_answers_requests_in_order_of_completion() -> None:
    with running("rpc.py", "serve", "tcp://127.0.0.1:0") as program:
        port = program.port()
        with connected(port) as (sock, file):
            sock.sendall(
                frame({"id": 1, "function": "sleep", "arguments": [0.05, "slow"]})
                + frame({"id": 2, "function": "add", "arguments": [2, 3]})
                + frame({"id": 3, "function": "remove", "arguments": []})
            )
            replies = {}
            for _ in range(3):
                (size,) = struct.unpack(">I", file.read(4))
                reply = json.loads(file.read(size))
                replies[reply.pop("id")] = reply
            assert list(replies)[-1] == 1
            assert replies == {1: {"result": "slow"}, 2: {"result": 5}, 3: {"error": "KeyError: 'remove'"}}
            sock.sendall(struct.pack(">I", 1 << 30))
            assert file.read() == b""
        assert "a client was disconnected" in program.stdout.readline()
        done = subprocess.run(
            arguments_of("rpc.py", "call", f"tcp://127.0.0.1:{port}", "mean", "1", "2", "6"),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("3\n", "")


async def test_rpc_client_refuses_call_after_end_of_connection() -> None:
    specification = importlib.util.spec_from_file_location("rpc", EXAMPLES / "rpc.py")
    assert specification is not None
    assert specification.loader is not None
    program = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(program)
    async with sluiceway.pair() as (near, far):
        client = program.Client(near)
        await far.send_eof()
        await client.receive()
        with pytest.raises(ConnectionError, match="the server has closed the connection"):
            await client.call("add", 2, 3)


def test_line_client_connects_again_after_each_loss() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PEER_TIMEOUT)
        port = server.getsockname()[1]
        with running("line_client.py", f"127.0.0.1:{port}", "--delay", "0.01") as program:
            for number in range(3):
                with server.accept()[0] as peer:
                    peer.sendall(b"line %d\n" % number)
                    if number == 1:
                        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    assert program.stdout.readline() == f"line {number}\n"
                assert program.stderr.readline() == f"connected to 127.0.0.1:{port}\n"
                assert ("Connection reset" if number == 1 else "has closed") in program.stderr.readline()
                assert program.stderr.readline().startswith("trying again in 0.01 s")
            server.close()
            while "connection refused" not in program.stderr.readline():
                pass


def test_line_client_waits_longer_while_server_closes_without_line() -> None:
    def accept(line: bytes) -> float:
        with server.accept()[0] as peer:
            peer.sendall(line)
        while not (message := program.stderr.readline()).startswith("trying again in "):
            pass
        return float(message.split()[3])

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PEER_TIMEOUT)
        port = server.getsockname()[1]
        with running("line_client.py", f"127.0.0.1:{port}", "--delay", "0.05") as program:
            # Each delay varies by up to a quarter: the first is at most 0.07 s, the third at least 0.15 s.
            first, _, third = accept(b""), accept(b""), accept(b"")
            after_line = accept(b"line\n")
    assert first < third > after_line


def test_line_client_ends_at_wrong_certificate(tls: Certificates) -> None:
    def refuse() -> None:
        with server.accept()[0] as peer:
            try:
                tls.server_context.wrap_socket(peer, server_side=True)
            except ssl.SSLError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PEER_TIMEOUT)
        refusing = threading.Thread(target=refuse)
        refusing.start()
        done = subprocess.run(
            arguments_of("line_client.py", f"tls://localhost:{server.getsockname()[1]}"),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
        refusing.join()
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr


def test_json_agent_answers_each_line_and_survives_wrong_ones() -> None:
    with running("json_agent.py") as program:

        def ask(line: str) -> Any:
            program.stdin.write(line + "\n")
            return json.loads(program.stdout.readline())

        assert ask('{"id": 1, "method": "count", "text": "two words"}') == {
            "id": 1,
            "result": {"words": 2, "characters": 9},
        }
        long = "x" * 1_000_000
        assert ask(json.dumps({"id": 2, "method": "count", "text": long}))["result"]["characters"] == len(long)
        assert "JSONDecodeError" in ask("no JSON")["error"]
        assert ask('{"id": 3, "method": "no"}') == {"id": 3, "error": "LookupError: unknown method 'no'"}
        program.stdin.write("x" * (17 << 20) + "\n")
        assert "longer than 16777216 bytes" in ask('{"id": 4, "method": "wait", "seconds": 0}')["error"]
        assert json.loads(program.stdout.readline()) == {"id": 4, "result": {}}
        program.stdin.close()
        assert program.stdout.read() == ""
        assert program.stderr.read() == "standard input has ended\n"


def test_json_agent_ends_when_nobody_reads_its_output() -> None:
    with running("json_agent.py") as program:
        program.stdout.close()
        program.stdin.write('{"id": 1, "method": "count", "text": ""}\n')
        assert program.stderr.read() == "nobody reads the answers any more\n"
        assert program.process.wait(PROCESS_TIMEOUT) == 0


def test_json_agent_serves_node(tmp_path: pathlib.Path) -> None:
    """Node.js gives its children sockets as standard streams, not pipes."""
    node = require_program("node", "nodejs")
    script = tmp_path / "parent.js"
    script.write_text(
        """
const [command, ...rest] = process.argv.slice(2);
const child = require("child_process").spawn(command, rest, {stdio: ["pipe", "pipe", "inherit"]});
const text = "x".repeat(500000);
require("readline").createInterface({input: child.stdout}).on("line", line => {
    console.log(JSON.parse(line).result.characters);
    child.stdin.end();
});
child.on("exit", code => console.log("exit", code));
child.stdin.write(JSON.stringify({id: 1, method: "count", text}) + "\\n");
"""
    )
    done = subprocess.run(
        [node, str(script), *arguments_of("json_agent.py")],
        env={**environment_without_preload(), **environment()},
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("500000\nexit 0\n", "standard input has ended\n")


def test_every_example_is_listed_in_readme() -> None:
    text = README.read_text(encoding="utf-8")
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert len(names) == 5
    assert [name for name in names if f"({name})" not in text] == []
