"""The list of docs/explanation/internals/source-files.md names every source file, in its folder, and no other file."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "sluiceway"
FILE = re.compile(r"\w+\.(?:pyx|pxd|pyi|py|typed)")
# A line begins with a folder, with the files that it lists, or with both; the description follows.
LINE = re.compile(rf"(?P<indent> *)(?P<folder>\w+/)?(?P<files>(?: ?{FILE.pattern})*)(?: |$)")


def listed() -> set[str]:
    text = (ROOT / "docs" / "explanation" / "internals" / "source-files.md").read_text(encoding="utf-8")
    block = text.partition("\nsrc/sluiceway/\n")[2].partition("```")[0]
    found = set()
    folders: list[tuple[int, str]] = []
    for line in block.splitlines():
        match = LINE.match(line)
        if match is None or not (match["folder"] or match["files"]):
            continue
        depth = len(match["indent"])
        folders = [(other, folder) for other, folder in folders if other < depth]
        if match["folder"]:
            folders.append((depth, match["folder"]))
        path = "".join(folder for _, folder in folders)
        found |= {path + name for name in FILE.findall(match["files"])}
    return found


def test_list_of_source_files_names_every_file() -> None:
    existing = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if FILE.fullmatch(path.name) and "__pycache__" not in path.parts
    }
    assert listed() == existing
