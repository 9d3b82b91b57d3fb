"""The architecture, kept by tests: layers, public names, modules that stand alone, files that can be read."""

import pathlib
import subprocess
import sys
import types

import pytest

import sluiceway
from support.layers import violations
from support.package import module_name, source_files

LONGEST_FILE = 400

PUBLIC = {
    "ENGINE",
    "FlowControlMixin",
    "IMPLEMENTATION",
    "IncompleteReadError",
    "LimitOverrunError",
    "PlaintextBeforeTLSError",
    "Server",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "UnixPathError",
    "__version__",
    "install",
    "installed",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
    "uninstall",
}


def isolated(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing around it: no environment, no current directory, warnings are errors."""
    return subprocess.run(
        [sys.executable, "-I", "-W", "error", *arguments], capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_a_lower_layer_never_imports_a_higher_one(path: pathlib.Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert violations(source, module_name(path), PUBLIC, is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sluiceway._core.chunk_buffer", "from sluiceway._streams import reader"),
        ("sluiceway._core.chunk_buffer", "from .. import _streams"),
        ("sluiceway._core.chunk_buffer", "from .._transports.bounded import BoundedProtocol"),
        ("sluiceway._core.chunk_buffer", "def f():\n    import sluiceway._asyncio.open_connection"),
        ("sluiceway._core.chunk_buffer", "import socket"),
        ("sluiceway._core.chunk_buffer", "from ssl import SSLContext"),
        ("sluiceway._core.chunk_buffer", "import asyncio\nasyncio.new_event_loop()"),
        ("sluiceway._core.chunk_buffer", "from asyncio import get_event_loop"),
        ("sluiceway._constants", "from sluiceway import _core"),
        ("sluiceway._asyncio.reader", "import sluiceway"),
        ("sluiceway._asyncio.reader", "from sluiceway import StreamReader"),
        ("sluiceway._asyncio.reader", "from sluiceway.cli import main"),
        ("sluiceway._new.thing", ""),
        ("sluiceway.cli.demo", "from sluiceway._streams import reader"),
        ("sluiceway.cli.demo", "from sluiceway import _streams"),
        ("sluiceway.cli.demo", "import sluiceway\nsluiceway._streams"),
    ],
)
def test_what_breaks_the_layers_is_seen(module: str, source: str) -> None:
    assert len(violations(source, module, PUBLIC)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sluiceway", "from sluiceway._asyncio.open_connection import open_connection"),
        ("sluiceway._asyncio.reader", "from sluiceway._core import buffer\nfrom . import writer\nimport ssl"),
        ("sluiceway._core.chunk_buffer", "import asyncio\nfrom sluiceway._errors import LimitOverrunError"),
        ("sluiceway.cli.demo", "import sluiceway\nfrom sluiceway import StreamReader\nsluiceway.install()"),
        ("sluiceway.cli.demo.parts", "from sluiceway.cli import demo\nfrom . import other"),
    ],
)
def test_what_the_layers_allow_is_let_through(module: str, source: str) -> None:
    assert violations(source, module, PUBLIC) == []


@pytest.mark.parametrize("module", [module_name(path) for path in source_files()])
def test_each_module_imports_alone(module: str) -> None:
    result = isolated("-c", f"import {module}")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_importing_sluiceway_imports_nothing_from_outside_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import sluiceway;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    result = isolated("-c", script)
    assert result.stderr == ""
    # Compiled code registers what its modules share under names of its own; nothing is imported for that.
    names = {name for name in result.stdout.split() if not name.startswith(("_cython_", "cython_runtime"))}
    assert "sluiceway" in names
    assert names - {"sluiceway"} - sys.stdlib_module_names == set()


def test_all_names_the_public_names_exactly() -> None:
    found = {
        name
        for name, value in vars(sluiceway).items()
        if not name.startswith("_") and name != "annotations" and not isinstance(value, types.ModuleType)
    }
    assert len(sluiceway.__all__) == len(set(sluiceway.__all__))
    assert set(sluiceway.__all__) == found | {"__version__"} == PUBLIC


def test_all_is_sorted() -> None:
    def constants_then_classes_then_the_rest(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2), name

    assert list(sluiceway.__all__) == sorted(sluiceway.__all__, key=constants_then_classes_then_the_rest)


def undocumented() -> list[str]:
    """Return the public classes and functions, and the methods and properties of ours, that promise nothing."""
    found = []
    for name in sluiceway.__all__:
        thing = getattr(sluiceway, name)
        if callable(thing) and not thing.__doc__:
            found.append(name)
        # An override may leave the promise to the class of ours that it overrides, but not to asyncio's.
        bases = [base for base in getattr(thing, "__mro__", ()) if base.__module__.startswith("sluiceway.")]
        members = {member: attribute for base in bases for member, attribute in vars(base).items() if member[0] != "_"}
        for member, attribute in members.items():
            documented = any(vars(base)[member].__doc__ for base in bases if member in vars(base))
            if (callable(attribute) or isinstance(attribute, property)) and not documented:
                found.append(f"{name}.{member}")
    return sorted(set(found))


def test_every_public_name_says_what_it_promises() -> None:
    assert undocumented() == []


def test_the_package_says_that_it_is_typed() -> None:
    assert pathlib.Path(sluiceway.__file__).with_name("py.typed").is_file()


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_no_file_is_too_long_to_read(path: pathlib.Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
