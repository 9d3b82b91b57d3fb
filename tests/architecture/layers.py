"""The layers of the package, and the imports that they forbid.

A module imports its own layer and lower ones. The command line imports public names only. ``sluiceway/__init__.py``
imports names from every layer and is the one exception.
"""

from collections.abc import Iterator

from architecture.facts import Facts, Import
from architecture.public_names import PUBLIC

LAYERS = {
    "_constants": 0,
    "_errors": 0,
    "_log": 0,
    "_piece": 0,
    "_config": 0,
    "_core": 1,
    "_core_c": 1,
    "_implementation": 1,
    "_debugging": 1,
    "_transports": 2,
    "_net": 3,
    "_connection": 4,
    "_asyncio": 5,
    "framing": 6,
    "stream": 7,
    "serve": 8,
    "testing": 9,
    "cli": 10,
    "__main__": 10,
}
COMMAND_LINE = "cli"
PUBLIC_PACKAGES = {name for name in LAYERS if not name.startswith("_")} - {COMMAND_LINE}

# Modules of the transports that never import each other, and the one that imports no other module of its layer.
SEPARATE = {"epoll": "tls", "tls": "epoll"}
INTERFACE = "sluiceway._transports.transport_interface"

# The core is sans-IO. TLS is too, over memory BIOs, but needs the ssl module.
CORE = {"_core", "_core_c"}
NOT_IN_THE_CORE = {"_socket", "_ssl", "posix", "select", "selectors", "socket", "socketserver", "ssl"}
HEADERS_NOT_IN_THE_CORE = ("sys/", "netinet/", "arpa/", "openssl/", "netdb.h", "poll.h", "unistd.h", "winsock")
LOOP_FUNCTIONS = {"get_event_loop", "new_event_loop", "set_event_loop", "Runner", "run"}


def layer_violations(facts: Facts, module: str) -> list[str]:
    """Return a line for each import, and each use of a name of the package, that the layers forbid."""
    if module == "sluiceway":
        return []
    part = module.split(".")[1]
    if part not in LAYERS:
        return [f"{module}: {part} is in no layer"]
    found = [f"{module}:{line}: the name of this import is computed; write a constant" for line in facts.computed]
    for imported in facts.imports:
        inside = imported.module.split(".")[0] == "sluiceway"
        reason = _inside(imported, module, part) if inside else None
        if reason is not None:
            found.append(f"{module}:{imported.line}: imports {imported.path}: {reason}")
    if part == COMMAND_LINE:
        for line, name in facts.uses:
            if name.startswith("sluiceway.") and name.split(".")[1] not in PUBLIC | PUBLIC_PACKAGES | {COMMAND_LINE}:
                found.append(f"{module}:{line}: uses {name}: only public names")
    if part in CORE:
        found += _io_in_the_core(facts, module)
    return found


def _inside(imported: Import, module: str, part: str) -> str | None:
    """Return why ``module`` may not import this name of the package, or None where it may."""
    path = imported.path.split(".")[1:]
    if part == COMMAND_LINE:
        return None if _is_public(path) else "only public names"
    if not path or path[0] in PUBLIC:
        return "the package itself is above every layer"
    if path[0] not in LAYERS:
        return f"{path[0]} is in no layer"
    if LAYERS[path[0]] > LAYERS[part]:
        return f"layer {LAYERS[path[0]]} from layer {LAYERS[part]}"
    if part == path[0] == "_transports":
        if module == INTERFACE:
            return "the interface imports nothing of its layer"
        folder = module.split(".")[2:3]
        if folder and path[1:2] == [SEPARATE.get(folder[0])]:
            return f"{folder[0]} and {path[1]} never import each other"
    return None


def _is_public(path: list[str]) -> bool:
    """Return whether the command line may import a path below the package; an empty one is the package.

    ``_config`` and ``_implementation`` too: doctor explains which environment variable chose what, and which compiled
    part cannot be used.
    """
    if not path or path[0] in {COMMAND_LINE, "_config", "_implementation"}:
        return True
    if path[0] in PUBLIC_PACKAGES:
        return not any(part.startswith("_") for part in path)
    return path[0] in PUBLIC and len(path) == 1


def _io_in_the_core(facts: Facts, module: str) -> Iterator[str]:
    for imported in facts.imports:
        top = imported.module.split(".")[0]
        if top == "ssl" and module.rpartition(".")[2].startswith("tls_"):
            continue
        if top in NOT_IN_THE_CORE:
            yield f"{module}:{imported.line}: imports {imported.path}: the core is sans-IO"
        if top == "asyncio" and imported.name in LOOP_FUNCTIONS:
            yield f"{module}:{imported.line}: imports {imported.path}: the core creates no loop"
    for line, name in facts.uses:
        if name.startswith("asyncio.") and name.split(".")[1] in LOOP_FUNCTIONS:
            yield f"{module}:{line}: uses {name}: the core creates no loop"
    for line, header in facts.headers:
        if header.startswith(HEADERS_NOT_IN_THE_CORE):
            yield f"{module}:{line}: includes {header}: the core is sans-IO"
