"""A file of the core and the .pxd that gives its compiled twin types: what each declares, and where they differ.

Cython itself says nothing when a field of the .pxd is never assigned, when a typed local is gone, or when an argument
has got another name; an attribute that the .pxd lacks fails when it is first assigned, in the compiled core only.
"""

import ast
import dataclasses
import pathlib
import re

from support.package import package_directory

CORE = package_directory() / "_core"
DECLARED = package_directory() / "_core_c"


@dataclasses.dataclass
class Function:
    arguments: list[str]
    variables: set[str]


@dataclasses.dataclass
class Class:
    base: str | None = None
    fields: set[str] = dataclasses.field(default_factory=set)
    properties: set[str] = dataclasses.field(default_factory=set)
    slots: set[str] | None = None
    methods: dict[str, Function] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Module:
    """``names`` are the variables of the module itself, ``functions`` its functions."""

    names: set[str] = dataclasses.field(default_factory=set)
    functions: dict[str, Function] = dataclasses.field(default_factory=dict)
    classes: dict[str, Class] = dataclasses.field(default_factory=dict)


def written(source: str) -> Module:
    """Return what a Python file has."""
    module = Module()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            module.classes[node.name] = _class(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            module.functions[node.name] = _function(node)
        else:
            module.names |= {
                name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
            if isinstance(node, ast.Import | ast.ImportFrom):
                module.names |= {alias.asname or alias.name for alias in node.names}
    return module


def _class(node: ast.ClassDef) -> Class:
    found = Class(base=ast.unparse(node.bases[0]) if node.bases else None)
    announced: set[str] = set()
    for child in node.body:
        if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__slots__":
            found.slots = set(ast.literal_eval(child.value))
        if isinstance(child, ast.AnnAssign) and child.value is None and isinstance(child.target, ast.Name):
            # Declared in a base class, for those derived from it to assign.
            announced.add(child.target.id)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any(ast.unparse(decorator).split(".")[-1] in {"property", "setter"} for decorator in child.decorator_list):
            found.properties.add(child.name)
        else:
            found.methods[child.name] = _function(child)
        found.fields |= {
            inner.attr
            for inner in ast.walk(child)
            if isinstance(inner, ast.Attribute)
            and isinstance(inner.ctx, ast.Store)
            and isinstance(inner.value, ast.Name)
            and inner.value.id == "self"
        }
    if not found.fields and found.base is None:
        found.fields = announced
    return found


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    stored = {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    return Function(arguments, {*arguments, *stored})


def declared(text: str) -> Module:
    """Return what a .pxd declares; of a function the variables are those that ``@cython.locals`` gives types."""
    module = Module()
    current: Class | None = None
    variables: set[str] = set()
    for line in _statements(text):
        if line[:1] != " ":
            current = None
        statement = line.strip()
        if found := re.match(r"cdef class (\w+)(?:\((\w+)\))?:", statement):
            current = module.classes[found[1]] = Class(base=found[2])
        elif found := re.match(r"@cython\.locals\((.*)\)$", statement):
            variables = set(re.findall(r"(\w+)=", found[1]))
        elif found := re.match(r"c(?:p)?def .*?(\w+)\((.*)\)", statement):
            arguments = [argument.split()[-1] for argument in found[2].split(",") if argument.strip()]
            functions = module.functions if current is None else current.methods
            functions[found[1]] = Function(arguments, variables)
            variables = set()
        elif found := re.match(r"cdef (?:public |readonly )?\w+ (.*)", statement):
            names = {name.strip() for name in found[1].split(",")}
            if current is None:
                module.names |= names
            else:
                current.fields |= names
        elif not re.match(r"(from|cimport) ", statement):
            raise ValueError(f"what does this line declare? {statement!r}")
    return module


def _statements(text: str) -> list[str]:
    """Return the lines that say something; what stands in brackets over several lines is one."""
    lines: list[str] = []
    depth = 0
    for line in (re.sub(r"#.*", "", raw).rstrip() for raw in text.splitlines()):
        if depth:
            lines[-1] += f" {line.strip()}"
        elif line:
            lines.append(line)
        depth += line.count("(") - line.count(")")
    return lines


def differences(python: dict[str, Module], types: dict[str, Module]) -> list[str]:
    """Return a sentence for each difference between Python files and the .pxd of the same names.

    A file without a .pxd may have no class, since its instances would have no fields in common with anybody.
    """
    found: list[str] = []
    every = {name: kind for module in types.values() for name, kind in module.classes.items()}
    sources = {name: kind for module in python.values() for name, kind in module.classes.items()}
    for file, source in python.items():
        typed = types.get(file, Module())
        found += [f"{file}: {name} is never assigned" for name in sorted(typed.names - source.names)]
        found += _functions(file, source.functions, typed.functions)
        for name in sorted(source.classes.keys() ^ typed.classes.keys()):
            found.append(f"{file}: class {name} is in one of the two only")
        for name in sorted(source.classes.keys() & typed.classes.keys()):
            found += _classes(f"{file}: {name}", name, sources, every)
    return found


def _classes(where: str, name: str, python: dict[str, Class], types: dict[str, Class]) -> list[str]:
    ours, typed = python[name], types[name]
    found = []
    if ours.base != typed.base:
        found.append(f"{where}: derived from {ours.base}, declared as derived from {typed.base}")
    known = set(ours.properties)
    base: str | None = name
    while base is not None and base in types:
        known |= types[base].fields | python[base].properties
        base = types[base].base
    found += [f"{where}.{field}: assigned, not declared" for field in sorted(ours.fields - known)]
    found += [f"{where}.{field}: declared, never assigned" for field in sorted(typed.fields - ours.fields)]
    if ours.slots is not None and ours.slots != typed.fields:
        found.append(f"{where}: __slots__ and the declared fields differ: {sorted(ours.slots ^ typed.fields)}")
    return found + _functions(where, ours.methods, typed.methods)


def _functions(where: str, python: dict[str, Function], types: dict[str, Function]) -> list[str]:
    found = []
    for name, typed in types.items():
        if name not in python:
            found.append(f"{where}.{name}: declared, not defined")
            continue
        arguments = typed.arguments
        if python[name].arguments != arguments:
            found.append(f"{where}.{name}: takes {python[name].arguments}, declared with {arguments}")
        found += [
            f"{where}.{name}: {variable} has a type and is not there"
            for variable in sorted(typed.variables - python[name].variables)
        ]
    return found


def modules(directory: pathlib.Path, kind: str) -> dict[str, pathlib.Path]:
    """Return the files of a kind by the names of their modules."""
    return {path.stem: path for path in sorted(directory.glob(f"*.{kind}")) if path.stem != "__init__"}
