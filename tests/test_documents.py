"""What the documents show works: code runs as it stands, make's targets exist, the reference is what the code says."""

import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# Seconds for one example: all are short, the machine may be busy.
PATIENCE = 50

SHELL = {"sh", "bash", "shell", "console"}
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


@pytest.mark.parametrize("block", [block for block in all_blocks() if block.info == "python"], ids=str)
def test_python_runs_as_it_stands(block: Block, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(block.text, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # What a program ignores at its end (an unclosed socket, a task never awaited) stands there.
    assert result.stderr == ""


def test_no_python_escapes_being_run() -> None:
    escaped = [
        f"{block}: ```{block.info}"
        for block in all_blocks()
        if block.info != "python" and (block.info.split() or [""])[0] in {"python", *OTHER_NAMES_OF_PYTHON}
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
    assert wanted_targets("cd penstock && make clean demo") == ["clean", "demo"]
    assert {"demo", "test", "test-all", "check", "docs", "clean"} <= make_targets()


def test_the_reference_is_what_the_docstrings_say() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check", ROOT / "docs" / "reference.md"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
