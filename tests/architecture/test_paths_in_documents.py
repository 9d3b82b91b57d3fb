"""Every file of tests/ that a document names exists."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


@pytest.mark.parametrize("document", sorted(DOCUMENTS), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_test_file_named_in_document_exists(document: pathlib.Path) -> None:
    names = re.findall(r"\btests/[\w/]+\.py\b", document.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists()] == []
