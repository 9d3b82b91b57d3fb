"""What the documents show works: code runs as it stands, and make's targets exist.

``page_examples.py`` states how one example finds the files and the server of another.
"""

import concurrent.futures
import pathlib
import re
import socket
import subprocess

import pytest

from documents.page_examples import (
    OTHER_NAMES_OF_PYTHON,
    PROGRAMS,
    ROOT,
    SHELL,
    Block,
    all_blocks,
    assert_printed,
    block_of,
    blocks,
    connected,
    file_name,
    pattern,
    prepared,
    promised,
    read_to_the_end,
    run,
    run_python,
    serves,
    serving,
)
from support.background_programs import PACKAGES, background_programs
from support.external_programs import require_program


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


@pytest.mark.parametrize(
    ("name", "sent", "before_sigterm", "after_sigterm"),
    [
        ("graceful_server.py", b"a\nb\n", b"done: a\n", b"done: b\n"),
        ("quick_server.py", b"a\nb", b"done: a\n", b""),
        ("stream_server.py", b"a\nb\n", b"done: a\n", b"done: b\n"),
        ("stream_server.py", b"a\nb", b"done: a\n", b""),
    ],
)
def test_server_of_a_page_that_gets_sigterm_serves_its_client_to_a_clean_end(
    name: str, sent: bytes, before_sigterm: bytes, after_sigterm: bytes, tmp_path: pathlib.Path
) -> None:
    with prepared(block_of(name), tmp_path) as text, concurrent.futures.ThreadPoolExecutor() as pool:
        with serving(tmp_path / name, text) as port:
            client = connected(port)
            client.sendall(sent)
            assert client.recv(len(before_sigterm)) == before_sigterm
            rest = pool.submit(read_to_the_end, client)
        assert rest.result() == after_sigterm


def test_server_of_stream_page_that_gets_sigterm_does_not_reset_client_with_unread_requests(
    tmp_path: pathlib.Path,
) -> None:
    name = "stream_server.py"
    with prepared(block_of(name), tmp_path) as text, concurrent.futures.ThreadPoolExecutor() as pool:
        with serving(tmp_path / name, text) as port:
            client = connected(port)
            sending = pool.submit(client.sendall, b"a\n" * 500_000)  # more than the server reads into its buffer
            assert client.recv(8) == b"done: a\n"
            answers = pool.submit(lambda: [*client.makefile("rb")])
        assert set(answers.result()) == {b"done: a\n"}
        sending.result()
        client.close()


@pytest.mark.parametrize(
    ("name", "sent", "answer"),
    [
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
