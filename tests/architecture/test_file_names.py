"""No two source files of a tree have names that differ only by an ending."""

import pathlib
import re
import subprocess

import pytest

from architecture.file_names import LANGUAGES, collide, collisions, stems
from support.package import package_directory

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREES = {"package": package_directory(), "tools": ROOT / "tools", "benchmarks": ROOT / "benchmarks"}


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_file_names_of_tree_differ_by_more_than_ending(tree: str, language: str) -> None:
    assert collisions(stems(TREES[tree], language)) == []


def test_every_tree_has_source_files() -> None:
    assert all(stems(tree) for tree in TREES.values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connect", "connecting"),
        ("connect", "connection"),
        ("connecting", "connection"),
        ("connect", "connector"),
        ("connect", "connects"),
        ("connect", "connections"),
        ("connection", "connections"),
        ("listen", "listener"),
        ("accept", "accepted"),
        ("accept", "acceptance"),
        ("attach", "attachment"),
        ("resolve", "resolver"),
        ("resolving", "resolver"),
        ("close", "closing"),
        ("run", "runner"),
        ("match", "matches"),
        ("tls_read", "tls_reader"),
    ],
)
def test_names_that_differ_only_by_ending_collide(one: str, other: str) -> None:
    assert collide(one, other)
    assert collide(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connection", "connection"),
        ("connection", "open_connection"),
        ("connection", "connection_state"),
        ("server", "start_server"),
        ("address", "add"),
        ("state", "status"),
        ("ring", "ringing_bell"),
        ("sing", "s"),
        ("receiver", "reader"),
        ("serve", "service"),
        ("search", "research"),
    ],
)
def test_other_names_do_not_collide(one: str, other: str) -> None:
    assert not collide(one, other)


def test_exempt_names_and_files_of_same_stem_do_not_collide(tmp_path: pathlib.Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("__init__.py", "__main__.py", "conftest.py", "poller.pyx", "poller.pxd", "deep/poller.pyi", "poll.c"):
        (tmp_path / name).touch()
    assert collisions(stems(tmp_path)) == []


def test_collision_across_folders_is_found(tmp_path: pathlib.Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "poller.pyx").touch()
    (tmp_path / "deep" / "polling.py").touch()
    assert collisions(stems(tmp_path)) == [("poller", "polling")]


def test_file_names_have_no_blanks_or_special_characters() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert [name for name in listed.splitlines() if not re.fullmatch(r"[\w./-]+", name)] == []
