"""The layers, and what an import of the wrong one looks like.

A module may import its own layer and lower ones. The command imports public names only. ``sluiceway/__init__.py``
gathers names from everywhere and is the one exception.
"""

import ast
from collections.abc import Iterator

LAYERS = {
    "_facts": 0,
    "_core": 1,
    "_core_c": 1,
    "_implementation": 1,
    "_engine": 2,
    "_transports": 2,
    "_streams": 3,
    "_edges": 4,
    "cli": 5,
}
OUTSIDE = 5

# The core is bytes in and bytes out; TLS is that too, over memory BIOs.
TLS_FILES = {"sluiceway._core.tls_send", "sluiceway._core.tls_receive"}
NOT_IN_THE_CORE = {"_socket", "_ssl", "select", "selectors", "socket", "socketserver", "ssl"}
LOOP_MAKERS = {"get_event_loop", "new_event_loop", "set_event_loop", "Runner"}


def imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str, str | None]]:
    """Yield (line, module imported, name taken from it) for every import statement, relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, *([base] if base else [])])
            for alias in node.names:
                yield node.lineno, base, alias.name


def violations(source: str, module: str, public: set[str], *, is_package: bool = False) -> list[str]:
    """Return a sentence for each import, and each reach through the package, that the layers forbid."""
    if module == "sluiceway":
        return []
    part = module.split(".")[1]
    if part not in LAYERS:
        return [f"{module}: {part} is in no layer"]
    own = LAYERS[part]
    tree = ast.parse(source)
    found = []
    for line, base, name in imports(tree, module, is_package):
        target = base.split(".")
        if target[0] != "sluiceway":
            if module in TLS_FILES and target[0] == "ssl":
                continue
            if part == "_core" and (target[0] in NOT_IN_THE_CORE or (target[0] == "asyncio" and name in LOOP_MAKERS)):
                found.append(f"{module}:{line} imports {base}: the core is sans-IO")
            continue
        if len(target) == 1 and name in LAYERS:
            target.append(name)
        if own == OUTSIDE:
            if (len(target) > 1 and LAYERS.get(target[1]) != OUTSIDE) or (
                len(target) == 1 and name is not None and name not in public
            ):
                found.append(f"{module}:{line} imports {base} {name or ''}: only public names")
        elif len(target) == 1:
            found.append(f"{module}:{line} imports the package itself, which is above every layer")
        elif target[1] not in LAYERS:
            found.append(f"{module}:{line} imports {base}: {target[1]} is in no layer")
        elif LAYERS[target[1]] > own:
            found.append(f"{module}:{line} imports {base}: layer {LAYERS[target[1]]} from layer {own}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            whole, attribute = node.value.id, node.attr
            if own == OUTSIDE and whole == "sluiceway" and attribute not in public:
                found.append(f"{module}:{node.lineno} uses sluiceway.{attribute}: only public names")
            if part == "_core" and whole == "asyncio" and attribute in LOOP_MAKERS | {"run"}:
                found.append(f"{module}:{node.lineno} uses asyncio.{attribute}: the core makes no loop")
    return found
