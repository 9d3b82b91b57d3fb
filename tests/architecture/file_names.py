"""Files whose names differ only by an ending, such as connect.py and connection.py: a reader cannot tell them apart.

The rule: the roots of a stem are the stem itself and the stem without one of ENDINGS, if at least three letters are
left. A removed ending that begins with a vowel may have replaced an "e" (resolve, resolver) or doubled a consonant
(run, runner); both spellings are roots. Before that, one plural "s" may be removed (connections, connect). Two stems
collide if they are different and have a root in common. Whole stems are compared: open_connection and connection do not
collide. Only files of one language are compared.
"""

import itertools
import pathlib
from collections.abc import Iterable

ENDINGS = ("ing", "ion", "ed", "er", "or", "ance", "ment", "es", "s")
VOWELS = "aeiou"
SHORTEST_ROOT = 3
EXCEPTED = {"__init__", "__main__", "conftest"}
LANGUAGES = {"Python": {".py", ".pyi", ".pyx", ".pxd"}, "C": {".c", ".h"}, "Go": {".go"}}


def roots(stem: str) -> set[str]:
    found = {stem}
    singular = stem if stem.endswith("ss") else stem.removesuffix("s")
    for word in {stem, singular}:
        for ending in ENDINGS:
            root = word.removesuffix(ending)
            if root == word or len(root) < SHORTEST_ROOT:
                continue
            found.add(root)
            if ending not in {"s", "es"} and ending[0] in VOWELS:
                found.add(f"{root}e")
                if root[-1] == root[-2]:
                    found.add(root[:-1])
    return found


def collide(one: str, other: str) -> bool:
    """Return whether two stems differ only by an ending."""
    return one != other and not roots(one).isdisjoint(roots(other))


def collisions(stems: Iterable[str]) -> list[tuple[str, str]]:
    names = sorted(set(stems) - EXCEPTED)
    return [pair for pair in itertools.combinations(names, 2) if collide(*pair)]


def stems(tree: pathlib.Path, language: str = "Python") -> set[str]:
    """Return the stems of the source files below a folder; hidden folders are left out."""
    paths = (path for path in tree.rglob("*") if path.suffix in LANGUAGES[language])
    return {path.stem for path in paths if not any(part.startswith(".") for part in path.relative_to(tree).parts)}
