"""Every relative link in a Markdown file of the repository leads to a file of it, and to a heading of that file."""

import itertools
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def project_files(*patterns: str) -> list[pathlib.Path]:
    """Return the files that belong to the project, not what tools have made beside them."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return sorted(ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists())
    # A source distribution.
    folders = (ROOT / folder for folder in ("benchmarks", "docs", "src", "tests", "tools"))
    below = [path for folder in folders for pattern in patterns for path in folder.rglob(pattern)]
    return sorted({*below, *(path for pattern in patterns for path in ROOT.glob(pattern))})


def without_code(text: str) -> str:
    text = re.sub(r"^( *)(`{3,}|~{3,}).*?^ *\2`*~* *$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)


def links(text: str) -> list[str]:
    """Return the targets of the links and pictures of a Markdown text."""
    return re.findall(r"\]\(<?([^()\s>]+)>?(?: \"[^\"]*\")?\)", without_code(text))


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a Markdown text, as web pages of repositories and the site make them."""
    text = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+?)\s*$", text, flags=re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        repeats = (f"{slug}-{number}" for number in itertools.count(1))
        found.add(slug if slug not in found else next(name for name in repeats if name not in found))
    return found | set(re.findall(r"^\(([\w-]+)\)=$", text, flags=re.MULTILINE))


def is_local(link: str) -> bool:
    return re.match(r"[a-z]+:", link) is None


@pytest.mark.parametrize("path", project_files("*.md"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_have_a_target(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    broken = []
    for link in filter(is_local, links(text)):
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (fragment and fragment not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_documents_that_texts_name_exist() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in project_files("*.md", "*.py", "*.pyx", "*.toml", "Makefile")
        for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.md\b", path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    ]
    assert missing == []


def test_links_and_anchors_are_found_as_markdown_means_them() -> None:
    text = (
        "# One: `two`\n## b\n## b\n[x](a.md#one-two) ![p](p.png) `[no](c.md)`\n```\n[no](d.md)\n# no\n```\n[y](e.md)\n"
    )
    assert links(text) == ["a.md#one-two", "p.png", "e.md"]
    assert anchors(text) == {"one-two", "b", "b-1"}
