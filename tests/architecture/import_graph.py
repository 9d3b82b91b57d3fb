"""The import graph of the package and its cycles.

A node is a dotted name: ``x.py``, ``x.pyx``, ``x.pxd`` and ``x.pyi`` are one node, and so are ``_core.x`` and
``_core_c.x``, which are built from the same source. An edge is an import statement anywhere in a file (in a function,
under ``if TYPE_CHECKING``) or an import by string. ``from .package import module`` leads to the module, not to the
package: Python runs the package's ``__init__.py`` as well, but an edge for that would make every package whose
``__init__.py`` imports its own modules a cycle.
"""

from collections.abc import Iterable, Mapping

from architecture.facts import Facts

Graph = dict[str, dict[str, list[str]]]


def node_of(module: str) -> str:
    """Return the name of a module's node; the compiled core has those of the core."""
    first, *rest = module.split(".")
    return ".".join([first, *(["_core", *rest[1:]] if rest[:1] == ["_core_c"] else rest)])


def import_graph(files: Iterable[tuple[str, str, Facts]]) -> Graph:
    """Return node -> imported node -> places, from (module, file name, facts) of each file."""
    files = list(files)
    graph: Graph = {node_of(module): {} for module, _, _ in files}
    for module, file, facts in files:
        source = node_of(module)
        for imported in facts.imports:
            target = _target(node_of(imported.path), graph)
            if target is None or target == source:
                continue
            places = graph[source].setdefault(target, [])
            if (place := f"{file}:{imported.line}") not in places:
                places.append(place)
    return graph


def _target(path: str, graph: Mapping[str, object]) -> str | None:
    """Return the module that a path leads to: what follows the module's name is an attribute of the module."""
    while path:
        if path in graph:
            return path
        path = path.rpartition(".")[0]
    return None


def cycles(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components of more than one module, each sorted."""
    reachable = {node: _reachable(node, graph) for node in graph}
    found = {
        tuple(sorted(other for other in reachable[node] if node in reachable[other]))
        for node in graph
        if node in reachable[node]
    }
    return [list(component) for component in sorted(found)]


def _reachable(start: str, graph: Graph) -> set[str]:
    """Return the nodes that one or more edges lead to."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += graph[node]
    return found


def describe_cycle(component: list[str], graph: Graph) -> str:
    """Return one line for each import inside a component."""
    lines = [
        f"    {source} -> {target} ({', '.join(places)})"
        for source in component
        for target, places in sorted(graph[source].items())
        if target in component
    ]
    return "\n".join(["import cycle:", *lines])
