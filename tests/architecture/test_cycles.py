"""The modules of the package import each other without cycles."""

import pytest

from architecture.import_graph import Graph, cycles, describe_cycle, import_graph, node_of
from architecture.sources import package_sources, read_source


def graph_of(sources: dict[str, str]) -> Graph:
    """Return the graph of small files, given as path below the package and text."""
    files = []
    for path, text in sources.items():
        stem, _, suffix = path.rpartition(".")
        parts = stem.split("/")
        is_package = parts[-1] == "__init__"
        module = ".".join(["sluiceway", *(parts[:-1] if is_package else parts)])
        files.append((module, path, read_source(text, module, f".{suffix}", is_package=is_package)))
    return import_graph(files)


def test_package_has_no_import_cycle() -> None:
    graph = import_graph((source.module, source.name, source.facts()) for source in package_sources())
    found = cycles(graph)
    assert not found, "\n".join(describe_cycle(component, graph) for component in found)


def test_graph_has_node_for_every_module_and_edges_of_cython_files() -> None:
    graph = import_graph((source.module, source.name, source.facts()) for source in package_sources())
    assert graph.keys() == {node_of(source.module) for source in package_sources()}
    places = [place for edges in graph.values() for found in edges.values() for place in found]
    assert {place.rpartition(":")[0].rpartition(".")[2] for place in places} >= {"py", "pyx", "pxd"}


@pytest.mark.parametrize(
    ("sources", "component"),
    [
        ({"a.py": "from . import b", "b.py": "from .a import x"}, ["a", "b"]),
        ({"a.py": "from .b import x", "b.py": "def f():\n    import sluiceway.a"}, ["a", "b"]),
        ({"a.py": "from .b import x", "b.py": "if TYPE_CHECKING:\n    from .a import y"}, ["a", "b"]),
        ({"a.py": "from .b import x", "b.py": "import_module('sluiceway.a')"}, ["a", "b"]),
        ({"a.py": "from .b import x", "b.py": "import_module('.a', __package__)"}, ["a", "b"]),
        ({"_log.py": "from .b import x", "b.py": "WHERE = 'sluiceway._log.Name'"}, ["_log", "b"]),
        ({"a.py": "from .b import x", "b.py": "from .c import x", "c.py": "from .a import x"}, ["a", "b", "c"]),
        ({"p/a.pyx": "", "p/a.pxd": "from .b cimport x", "p/b.pyx": "from .a import y"}, ["p.a", "p.b"]),
        ({"p/a.pyi": "from .b import x", "p/b.py": "from .a import y"}, ["p.a", "p.b"]),
        (
            {"_core/a.py": "", "_core_c/a.pxd": "from .b cimport x", "_core/b.py": "from .a import y"},
            ["_core.a", "_core.b"],
        ),
        ({"p/__init__.py": "from .a import x", "p/a.py": "from . import y"}, ["p", "p.a"]),
        ({"__init__.py": "from .a import x", "a.py": "import sluiceway"}, ["", "a"]),
    ],
)
def test_cycle_is_found(sources: dict[str, str], component: list[str]) -> None:
    expected = [f"sluiceway.{name}".rstrip(".") for name in component]
    assert cycles(graph_of(sources)) == [expected]


@pytest.mark.parametrize(
    "sources",
    [
        {"a.py": "from .b import x", "b.py": "import os"},
        {"a.py": "from .b import x\nfrom .c import x", "b.py": "from .c import x", "c.py": ""},
        {"p/__init__.py": "from .a import x", "p/a.py": "from . import b", "p/b.py": ""},
        {"p/a.pyx": "from .a cimport x", "p/a.pxd": ""},
        {"_core/a.py": "", "_core_c/a.pyx": "from sluiceway._core.a import x"},
        {"a.py": "from .b import x", "b.py": '"""Used by sluiceway.a."""'},
        {"a.py": "from .b import x", "b.pyx": "# from .a import y"},
        {"__init__.py": "from .a import Name", "a.py": "NAME = 'sluiceway.Name'"},
    ],
)
def test_graph_without_cycle_is_accepted(sources: dict[str, str]) -> None:
    assert cycles(graph_of(sources)) == []


def test_description_names_file_and_line_of_each_import() -> None:
    graph = graph_of({"a.py": "import os\nfrom .b import x", "b.py": "from .a import y"})
    text = describe_cycle(cycles(graph)[0], graph)
    assert "sluiceway.a -> sluiceway.b (a.py:2)" in text
    assert "sluiceway.b -> sluiceway.a (b.py:1)" in text
