"""What the documents show works: code runs as it stands, and make's targets exist.

Examples of one page may need each other:

- A block that begins with ``# NAME.py`` is saved under that name. The blocks below it find the file beside them, and
  what it leaves behind, since it runs before them. So do those of a page that links to it: [`NAME.py`](page.md). Files
  of other kinds (``# NAME.conf``) are saved only.
- One that calls ``start_server()`` with port 8443 is a server; here the port is one of the kernel's choice, which the
  server prints, or accepts connections on. It serves while a block that speaks of port 8443 runs. SIGTERM
  ends it, with status 0 if it handles that signal.
- What is printed is in a comment behind the ``print``, ``…`` for what differs from run to run.
- A shell line that ends with ``&  # listens on port N`` starts a program. It runs while a block with that port
  runs, on a free port; files that are not Python have the ports of the run.
- Shell blocks that call one of PROGRAMS run as well. In a ``console`` block the output of each command is compared.
- Blocks of other kinds (``text``, ``diff``) are illustrations, and do not run.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from support.background_programs import PACKAGES, background_programs, listens, reserved_port, running
from support.external_programs import require_program

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# Seconds for one example: all are short, the machine may be busy.
PATIENCE = 50

SHELL = {"sh", "bash", "shell", "console"}
# Those of a block of shell that runs; others build the project, or talk to the network.
PROGRAMS = {"haproxy", "openssl", "python", "sluiceway", "systemd-analyze"}
PORT = "8443"
# The folder of an installed program, on pages about that; here that of the example.
INSTALLED = "/srv/echo"
OTHER_NAMES_OF_PYTHON = {"py", "python3", "pycon", "python-repl"}


class Block(NamedTuple):
    document: str
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(text: str, document: str) -> list[Block]:
    """Return the fenced code blocks of a Markdown text, indented ones (in lists) with their indent taken off."""
    found = []
    opening: re.Match[str] | None = None
    body: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        if opening is None:
            opening = re.match(r"(\s*)(`{3,}|~{3,})\s*(.*?)\s*$", line)
            body, start = [], number
        elif re.fullmatch(rf"\s*{re.escape(opening[2][0])}{{{len(opening[2])},}}\s*", line):
            found.append(Block(document, start, opening[3], "".join(part + "\n" for part in body)))
            opening = None
        else:
            body.append(line.removeprefix(opening[1]))
    assert opening is None, f"{document}:{start}: a code block without an end"
    return found


def all_blocks() -> list[Block]:
    return [
        block
        for path in DOCUMENTS
        for block in blocks(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]


def files_before(block: Block) -> dict[str, Block]:
    """Return the blocks that are files, by their names: those its page links to, and those above ``block`` on it."""
    page = ROOT / block.document
    links = re.findall(r"\[`(\w+\.py)`\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    wanted = {((page.parent / target).resolve().relative_to(ROOT).as_posix(), name) for name, target in links}
    return {
        name: other
        for other in all_blocks()
        if (name := file_name(other))
        and ((other.document, name) in wanted or (other.document == block.document and other.line < block.line))
    }


def file_name(block: Block) -> str | None:
    found = None if block.info in SHELL else re.match(r"# ([\w-]+\.\w+)$", block.text, flags=re.MULTILINE)
    return found[1] if found else None


def serves(block: Block) -> bool:
    return "start_server(" in block.text and PORT in block.text


def run(
    command: "list[str | pathlib.Path]", folder: pathlib.Path, stderr: int = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    """Run a command where the interpreter's own scripts are found first."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
    }


def run_python(program: pathlib.Path) -> str:
    """Run an example to its end, and return what it printed."""
    result = run([sys.executable, "-W", "error", program], program.parent)
    assert result.returncode == 0, result.stderr
    assert unexpected_errors(result.stderr) == []
    return result.stdout


def unexpected_errors(stderr: str) -> list[str]:
    """Return the lines of standard error, except information and those of failures that a page shows on purpose."""
    return [line for line in stderr.splitlines() if not line.startswith(("TLS handshake with ", "INFO:"))]


@contextlib.contextmanager
def serving(program: pathlib.Path, text: str) -> Iterator[str]:
    """Run a server that its document shows, and yield the port that the kernel gave it."""
    assert len(re.findall(PORT, text)) == 1, "a server names its port once"
    prints = "print(" in text
    with reserved_port() as reserved:
        program.write_text(text.replace(PORT, "0" if prints else reserved), encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-u", program],
            cwd=program.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            port = None
            try:
                port = printed_port(process) if prints else reserved if listens(process, reserved) else None
                if port is not None:
                    yield port
            finally:
                process.terminate()
                output, errors = process.communicate(timeout=PATIENCE)
            assert port is not None, output + errors
            assert unexpected_errors(errors) == []
            if "SIGTERM" in text:
                assert process.returncode == 0
                assert_printed(text, output)


def printed_port(process: "subprocess.Popen[str]") -> str | None:
    assert process.stdout is not None
    port = re.search(r"\d+$", process.stdout.readline().strip())
    return port and port[0]


@contextlib.contextmanager
def prepared(block: Block, folder: pathlib.Path) -> Iterator[str]:
    """Make what ``block`` finds beside it, and yield its text, with the ports that its page's servers have."""
    server: tuple[pathlib.Path, str] | None = None
    texts: dict[pathlib.Path, str] = {}
    for name, other in files_before(block).items():
        if serves(other):
            server = folder / name, other.text
        elif PORT in other.text or not name.endswith(".py"):
            texts[folder / name] = other.text
        else:
            (folder / name).write_text(other.text, encoding="utf-8")
            run_python(folder / name)
    programs = programs_before(block)
    with contextlib.ExitStack() as stack:
        values = {f"{INSTALLED}/.venv/bin": os.path.dirname(sys.executable), INSTALLED: str(folder)}
        needs_server = programs or any(PORT in text for text in texts_used_by(block, texts))
        if server is not None and not serves(block) and needs_server:
            values[PORT] = stack.enter_context(serving(*server))
        values |= {port: stack.enter_context(reserved_port()) for port in programs}
        for path, text in texts.items():
            path.write_text(with_values(text, values), encoding="utf-8")
        for port, command in programs.items():
            stack.enter_context(running(with_values(command, values), folder, values[port], environment()))
        yield with_values(block.text, values)


def texts_used_by(block: Block, texts: dict[pathlib.Path, str]) -> list[str]:
    """Return the text of ``block`` and those of the files that it names."""
    return [block.text, *(text for path, text in texts.items() if path.name in block.text)]


def programs_before(block: Block) -> dict[str, str]:
    """Return the programs that blocks above start in the background, on ports that ``block`` speaks of."""
    return {
        port: command
        for other in all_blocks()
        if other.document == block.document and other.line < block.line and other.info in SHELL
        for port, command in background_programs(other.text).items()
        if port in block.text
    }


def with_values(text: str, values: dict[str, str]) -> str:
    """Return ``text`` with the ports and the folder of this run."""
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], text)


def pattern(text: str) -> str:
    """Return the regular expression of an output in which ``…`` stands for anything."""
    return ".*".join(map(re.escape, text.split("…")))


def promised(text: str) -> list[str]:
    """Return what a Python example says that it prints."""
    return re.findall(r"^ *print\(.*\)  # (.+)$", text, flags=re.MULTILINE)


def assert_printed(text: str, printed: str) -> None:
    """Check that an example printed what it promises."""
    for line in promised(text):
        assert re.search(rf"(?m)^{pattern(line)}$", printed), f"{line!r} is not in:\n{printed}"


@pytest.mark.parametrize("block", [block for block in all_blocks() if block.info == "python"], ids=str)
def test_python_runs_as_it_stands(block: Block, tmp_path: pathlib.Path) -> None:
    with prepared(block, tmp_path) as text:
        program = tmp_path / (file_name(block) or "example.py")
        if serves(block):
            with serving(program, text) as port:
                assert int(port)
            return
        program.write_text(text, encoding="utf-8")
        assert_printed(text, run_python(program))


def programs_of(block: Block) -> set[str]:
    """Return which of PROGRAMS a block of shell calls."""
    if block.info not in SHELL or background_programs(block.text):
        return set()
    called = set()
    for line in block.text.splitlines():
        words = [word for word in line.removeprefix("$ ").split() if "=" not in word]
        called.update(words[:1])
    return PROGRAMS & called


def commands_of(transcript: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the output that it shows."""
    found: list[tuple[str, str]] = []
    for line in transcript.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), ""))
        else:
            command, output = found.pop()
            found.append((command, output + line + "\n"))
    return found


def without_other_slow_callbacks(said: str, output: str) -> str:
    """Return ``said`` without asyncio's records of slow callbacks that a page does not show in ``output``.

    With -X dev, asyncio logs each callback that takes 0.1 s, as any may on a busy machine.
    """
    shown = [pattern(line) for line in output.splitlines()]
    return "".join(
        line
        for line in said.splitlines(keepends=True)
        if not re.fullmatch(r"Executing <.* took \S+ seconds\n", line)
        or any(re.fullmatch(each, line.rstrip()) for each in shown)
    )


def test_only_slow_callbacks_of_a_page_are_compared() -> None:
    shown = "Executing <Task …slow.py:7> took … seconds\n"
    expected, other = (f"Executing <Task at {line}> took 0.2 seconds\n" for line in ("/slow.py:7", "/slow.py:14"))
    assert without_other_slow_callbacks(other + expected + other, shown) == expected
    assert without_other_slow_callbacks("output\n" + other, "output\n") == "output\n"
    assert without_other_slow_callbacks(other, shown) == ""


@pytest.mark.parametrize("block", [block for block in all_blocks() if programs_of(block)], ids=str)
def test_shell_runs_as_it_stands(block: Block, tmp_path: pathlib.Path) -> None:
    for program in programs_of(block) - {"python", "sluiceway"}:
        require_program(program, PACKAGES.get(program))
    with prepared(block, tmp_path) as text:
        if block.info != "console":
            result = run(["sh", "-e", "-c", text], tmp_path)
            assert result.returncode == 0, result.stderr
            return
        for command, output in commands_of(text):
            said = run(["sh", "-c", command], tmp_path, stderr=subprocess.STDOUT).stdout
            said = without_other_slow_callbacks(said, output)
            assert re.fullmatch(pattern(output), said, flags=re.DOTALL), f"{command} says:\n{said}"


def read_to_the_end(client: socket.socket) -> bytes:
    with client:
        return b"".join(iter(lambda: client.recv(1000), b""))


@pytest.mark.parametrize(
    ("document", "name", "authority", "sent", "before_sigterm", "after_sigterm"),
    [
        ("howto/stop-gracefully", "graceful_server.py", None, b"a\nb\n", b"done: a\n", b"done: b\n"),
        ("howto/stop-gracefully", "quick_server.py", None, b"a\nb", b"done: a\n", b""),
        ("howto/write-a-server-with-stream", "stream_server.py", None, b"a\nb\n", b"done: a\n", b"done: b\n"),
        ("howto/write-a-server-with-stream", "stream_server.py", None, b"a\nb", b"done: a\n", b""),
        (
            "tutorial/tls-and-stop",
            "chat_server_with_tls.py",
            "authority.pem",
            b"ann\n",
            b"* ann joined\n",
            b"* the server stops\n",
        ),
        (
            "tutorial/chat-with-stream",
            "chat_server_with_stream.py",
            "authority.pem",
            b"ann\n",
            b"* ann joined\n",
            b"* the server stops\n",
        ),
    ],
)
def test_server_of_a_page_that_gets_sigterm_serves_its_client_to_a_clean_end(
    document: str,
    name: str,
    authority: str | None,
    sent: bytes,
    before_sigterm: bytes,
    after_sigterm: bytes,
    tmp_path: pathlib.Path,
) -> None:
    [block] = [block for block in all_blocks() if block.document == f"docs/{document}.md" and file_name(block) == name]
    with prepared(block, tmp_path) as text, concurrent.futures.ThreadPoolExecutor() as pool:
        with serving(tmp_path / name, text) as port:
            client = socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE)
            if authority is not None:
                context = ssl.create_default_context(cafile=tmp_path / authority)
                client = context.wrap_socket(client, server_hostname="localhost", suppress_ragged_eofs=False)
            client.sendall(sent)
            assert client.recv(len(before_sigterm)) == before_sigterm
            rest = pool.submit(read_to_the_end, client)
        assert rest.result() == after_sigterm


def block_of(name: str) -> Block:
    [block] = [block for block in all_blocks() if file_name(block) == name]
    return block


@pytest.mark.parametrize(
    ("name", "sent", "answer"),
    [
        ("chat_server_with_limit.py", b"x" * 5000 + b"\n", b"* the name is longer than 1000 bytes\n"),
        ("chat_server_with_limit.py", b"\n", b"* the first line is your name\n"),
        ("stream_server.py", b"x" * 5000 + b"\n", b"error: the line is longer than 1000 bytes\n"),
        ("stream_server.py", b"x" * 1000, b"done: " + b"x" * 1000),
        ("line_server.py", b"hello\n" + b"x" * 100_000 + b"\n", b"hello\n"),
    ],
)
def test_server_of_a_page_answers_input_that_needs_a_policy(
    name: str, sent: bytes, answer: bytes, tmp_path: pathlib.Path
) -> None:
    """The server logs no error: ``serving`` checks its standard error."""
    block = block_of(name)
    with prepared(block, tmp_path) as text, serving(tmp_path / name, text) as port:
        with connected(port) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            # Not to the end: a server that closes while input is unread resets the connection.
            received = client.makefile("rb").read(len(answer))
    assert received == answer


@pytest.mark.parametrize("name", ["chat_server.py", "chat_server_with_limit.py"])
def test_last_line_without_newline_reaches_other_users(name: str, tmp_path: pathlib.Path) -> None:
    expected = b"* ann joined\n* bob joined\nbob: the end\n* bob left\n"
    with serving(tmp_path / name, block_of(name).text) as port, connected(port) as ann, connected(port) as bob:
        ann.sendall(b"ann\n")
        messages = ann.makefile("rb")
        received = messages.readline()
        bob.sendall(b"bob\nthe end")
        bob.shutdown(socket.SHUT_WR)
        received += messages.read(len(expected) - len(received))
    assert received == expected


def connected(port: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE)


@pytest.mark.parametrize("server", ["chat_server.py", "chat_server_with_limit.py"])
def test_slow_reader_of_tutorial_is_disconnected_by_both_servers(server: str, tmp_path: pathlib.Path) -> None:
    with serving(tmp_path / server, block_of(server).text) as port:
        client = tmp_path / "slow_reader.py"
        client.write_text(block_of("slow_reader.py").text.replace(PORT, port), encoding="utf-8")
        assert run_python(client) == "b'* idle left\\n'\n"


def test_file_names_of_examples_are_unique() -> None:
    """A reader who saves all examples in one directory overwrites none."""
    names = [name for block in all_blocks() if (name := file_name(block))]
    assert sorted(names) == sorted(set(names))


def test_no_python_escapes_being_run() -> None:
    escaped = [
        f"{block}: ```{block.info}"
        for block in all_blocks()
        if block.info != "python" and {"python", *OTHER_NAMES_OF_PYTHON} & {*block.info.split()}
    ]
    assert escaped == []


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, flags=re.MULTILINE))


def wanted_targets(command: str) -> list[str]:
    """Return the targets that a shell line asks make for."""
    words = re.split(r"\s+", command.partition("#")[0].strip().removeprefix("$ "))
    if "make" not in words:
        return []
    return [word for word in words[words.index("make") + 1 :] if re.fullmatch(r"[a-z][a-z-]*", word)]


def test_every_make_target_shown_exists() -> None:
    missing = [
        f"{block}: make {target}"
        for block in all_blocks()
        if block.info in SHELL
        for line in block.text.splitlines()
        for target in wanted_targets(line)
        if target not in make_targets()
    ]
    assert missing == []


def test_blocks_are_found_as_markdown_means_them() -> None:
    text = "a\n```python\nx = 1\n```\n- b\n\n  ~~~sh\n  make test\n  ```\n  ~~~\n````\n```\n````\n"
    assert blocks(text, "d") == [
        Block("d", 2, "python", "x = 1\n"),
        Block("d", 7, "sh", "make test\n```\n"),
        Block("d", 11, "", "```\n"),
    ]


def test_targets_are_read_from_commands() -> None:
    assert wanted_targets("$ make test PYTHON=python3.13 PYTEST='-x'  # all") == ["test"]
    assert wanted_targets("cd sluiceway && make clean demo") == ["clean", "demo"]
    assert {"demo", "test", "test-all", "check", "docs", "clean"} <= make_targets()


def test_outputs_are_read_from_examples() -> None:
    assert promised("print(1)  # 1\n    print(f(2))  # a … b\nprint(3)\n") == ["1", "a … b"]
    assert commands_of("$ one\nfirst\n$ two\n$ three\n…\n") == [("one", "first\n"), ("two", ""), ("three", "…\n")]
    assert re.fullmatch(pattern("port …: (x)"), "port 7: (x)")
    assert not re.fullmatch(pattern("port …: (x)"), "port 7: x")
