"""The files and modules of the installed package."""

import functools
import importlib.util
import pathlib


@functools.cache
def package_directory() -> pathlib.Path:
    spec = importlib.util.find_spec("sluiceway")
    assert spec is not None
    assert spec.origin is not None
    return pathlib.Path(spec.origin).parent


def source_files() -> list[pathlib.Path]:
    return sorted(package_directory().rglob("*.py"))


def module_name(path: pathlib.Path) -> str:
    """Return the dotted name of one of the package's files."""
    parts = path.relative_to(package_directory().parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        # Without its compiled modules the package _core_c cannot be imported.
        return False
