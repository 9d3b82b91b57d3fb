"""The facts of a Python file: imports, calls, dotted names, string constants, attributes of classes.

Every statement counts, wherever it is: at module level, inside functions, and under ``if TYPE_CHECKING``.
"""

import ast

from architecture.facts import Call, Facts, Statement

KEY_FUNCTIONS = {"get", "getenv", "pop", "setdefault"}


def python_facts(text: str) -> Facts:
    """Return the facts of a file, without ``imports`` and ``computed``."""
    tree = ast.parse(text)
    names = module_constants(tree)
    facts = Facts()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            facts.statements += [Statement(node.lineno, 0, alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            facts.statements += [Statement(node.lineno, node.level, base, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call):
            arguments = tuple(_constant(argument, names) for argument in _positional(node))
            facts.calls.append(Call(node.lineno, ast.unparse(node.func), arguments))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            facts.uses.append((node.lineno, f"{node.value.id}.{node.attr}"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            facts.strings.append((node.lineno, node.value))
        elif isinstance(node, ast.ClassDef):
            facts.attributes |= class_attributes(node)
        key = _key(node)
        value = None if key is None else _constant(key, names)
        if key is not None and value is not None:
            facts.lookups.append((key.lineno, value))
    return facts


def _key(node: ast.AST) -> ast.expr | None:
    """Return the key that an expression looks up: ``m[key]``, ``m.get(key)``, ``m.pop(key)``, ``key in m``."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        return node.slice
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return node.left
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in KEY_FUNCTIONS and node.args:
        return node.args[0]
    return None


def _positional(node: ast.Call) -> list[ast.expr]:
    """Return the arguments in order; ``name=`` and ``package=`` are import_module's own names for its first two."""
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    named = [keywords[name] for name in ("name", "package") if name in keywords]
    if ast.unparse(node.func) == "__import__":
        named = list(keywords.values())
    return [*node.args, *named]


def _constant(node: ast.expr, names: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return names.get(node.id) if isinstance(node, ast.Name) else None


def module_constants(tree: ast.Module) -> dict[str, str]:
    """Return the module's names that are bound to a string constant."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            if isinstance(target, ast.Name) and isinstance(value, str):
                found[target.id] = value
    return found


def class_attributes(node: ast.ClassDef) -> set[str]:
    """Return the methods, class variables and slots of a class, and what its methods assign to ``self``."""
    found: set[str] = set()
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            found |= names
            if "__slots__" in names and statement.value is not None:
                constants = (inner for inner in ast.walk(statement.value) if isinstance(inner, ast.Constant))
                found |= {inner.value for inner in constants if isinstance(inner.value, str)}
    stored = (
        inner for inner in ast.walk(node) if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)
    )
    return found | {inner.attr for inner in stored if isinstance(inner.value, ast.Name) and inner.value.id == "self"}
