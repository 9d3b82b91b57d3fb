"""docs/explanation/contracts.md defines every contract id that the repository uses, and each contract has a test."""

import pathlib
import re
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "docs" / "explanation" / "contracts.md"
TEXT_FILES = {".md", ".pxd", ".py", ".pyi", ".pyx", ".toml"}

# The letters of the groups of contracts.
ID = re.compile(r"\b[SRWXTDLK][1-9]\d?\b")


def defined() -> list[str]:
    return re.findall(r"^### (\w+): ", CONTRACTS.read_text(encoding="utf-8"), flags=re.MULTILINE)


def files(*folders: str) -> Iterator[pathlib.Path]:
    """Yield the text files of the project below these folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in TEXT_FILES and "__pycache__" not in path.parts and ".build" not in path.parts:
                yield path


def used(path: pathlib.Path) -> set[str]:
    return set(ID.findall(path.read_text(encoding="utf-8")))


def test_every_id_is_defined_once() -> None:
    assert len(set(defined())) == len(defined()) > 30
    assert [name for name in defined() if not ID.fullmatch(name)] == []


def test_every_id_in_use_is_defined() -> None:
    paths = [*ROOT.glob("*.md"), *files("benchmarks", "docs", "src", "tests", "tools")]
    undefined = {
        path.relative_to(ROOT).as_posix(): sorted(unknown) for path in paths if (unknown := used(path) - {*defined()})
    }
    assert undefined == {}


@pytest.mark.parametrize("contract", defined())
def test_contract_is_named_by_a_test(contract: str) -> None:
    assert [path for path in files("tests") if path.name.startswith("test_") and contract in used(path)] != []
