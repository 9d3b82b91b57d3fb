"""The code blocks of the documents, and how they run.

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

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from support.background_programs import background_programs, listens, reserved_port, running

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
    assert unexpected_errors(result.stderr) == [], result.stderr
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
            assert unexpected_errors(errors) == [], errors
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


def block_of(name: str) -> Block:
    [block] = [block for block in all_blocks() if file_name(block) == name]
    return block


def connected(port: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE)


def read_to_the_end(client: socket.socket) -> bytes:
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))
