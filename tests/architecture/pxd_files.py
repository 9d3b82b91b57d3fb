"""Compares each source file of the core with the .pxd that gives its compiled variant types.

Cython reports nothing when a field of the .pxd is never assigned, when a typed local variable is gone, or when an
argument has another name. An attribute that the .pxd lacks fails in the compiled core only, when it is first assigned.

``read_source`` reads a .py file, ``read_pxd`` a .pxd and ``read_pyx`` a .pyx. ``differences`` compares the first two by
classes, fields, arguments and typed variables. A file that is a .py in the pure core and a .pyx in the compiled one has
other code in each: ``variant_differences`` compares the functions and classes that the .py makes public.
"""

import ast
import dataclasses
import pathlib
import re
from collections.abc import Iterator

from architecture.cython_facts import Stripped
from support.package import package_directory

PURE = package_directory() / "_core"
COMPILED = package_directory() / "_core_c"

Signature = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass
class Function:
    """``variables``: of a source file, arguments and local variables; of a .pxd, those that ``@cython.locals`` types.

    ``types``: the declared types of arguments and variables, as far as they are plain names. ``node``: the source.
    """

    arguments: list[str]
    variables: set[str]
    types: dict[str, str] = dataclasses.field(default_factory=dict)
    node: Signature | None = None


@dataclasses.dataclass
class Class:
    """``fields``: assigned through ``self``, or declared, with their types as far as they are plain names.

    ``announced``: annotated in the body without a value, for derived classes to assign.
    """

    base: str | None = None
    fields: dict[str, str | None] = dataclasses.field(default_factory=dict)
    announced: set[str] = dataclasses.field(default_factory=set)
    properties: dict[str, list[Signature]] = dataclasses.field(default_factory=dict)
    slots: set[str] | None = None
    methods: dict[str, Function] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Module:
    """``names``: the variables of the module itself."""

    names: set[str] = dataclasses.field(default_factory=set)
    functions: dict[str, Function] = dataclasses.field(default_factory=dict)
    classes: dict[str, Class] = dataclasses.field(default_factory=dict)


def files(directory: pathlib.Path, suffix: str) -> dict[str, pathlib.Path]:
    """Return the files of a folder with this suffix, by the names of their modules."""
    return {path.stem: path for path in sorted(directory.glob(f"*.{suffix}")) if path.stem != "__init__"}


# -- source files -----------------------------------------------------------------------------------------------------


def read_source(text: str) -> Module:
    module = Module()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            module.classes[node.name] = _class(node)
        elif isinstance(node, Signature):
            module.functions[node.name] = _function(node)
        else:
            module.names |= _stored_names(node)
            if isinstance(node, ast.Import | ast.ImportFrom):
                module.names |= {alias.asname or alias.name for alias in node.names}
    return module


def _class(node: ast.ClassDef) -> Class:
    found = Class(base=ast.unparse(node.bases[0]) if node.bases else None)
    for child in node.body:
        if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__slots__":
            found.slots = set(ast.literal_eval(child.value))
        if isinstance(child, ast.AnnAssign) and child.value is None and isinstance(child.target, ast.Name):
            found.announced.add(child.target.id)
        if not isinstance(child, Signature):
            continue
        if any(ast.unparse(decorator).split(".")[-1] in {"property", "setter"} for decorator in child.decorator_list):
            found.properties.setdefault(child.name, []).append(child)
        else:
            found.methods[child.name] = _function(child)
        for target in _stored_attributes(child):
            if ast.unparse(target.value) == "self":
                found.fields[target.attr] = None
    return found


def _function(node: Signature) -> Function:
    arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return Function(arguments, {*arguments, *_stored_names(node)}, node=node)


def _stored_names(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


def _stored_attributes(node: ast.AST) -> Iterator[ast.Attribute]:
    """Yield every attribute that is assigned, in whatever kind of assignment."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            yield inner


# -- Cython files -----------------------------------------------------------------------------------------------------

_CLASS = re.compile(r"cdef class (\w+)(?:\((\w+)\))?:$")
_CLASS_DECORATOR = re.compile(r"@cython\.(final|freelist\(\d+\))$")
_LOCALS = re.compile(r"@cython\.locals\((.*)\)$")
_FUNCTION = re.compile(r"(?:cpdef|cdef) (?!class ).*?(\w+)\((.*)\)( noexcept| except\??\+? ?\S*)?$")
_VARIABLE = re.compile(r"cdef (?:public |readonly )?(\w+(?: \w+)*)\*? (\w+(?:, *\w+)*)$")
_IMPORT = re.compile(r"(from \S+ )?cimport ")
_ENUM_MEMBER = re.compile(r"(\w+) = \d+$")


def read_pxd(text: str) -> Module:
    """Raises ValueError for a line whose meaning is unknown."""
    module = Module()
    current: Class | None = None
    types: dict[str, str] = {}
    for line in _statements(text):
        if not line.startswith(" "):
            current = None
        statement = line.strip()
        if found := _CLASS.match(statement):
            current = module.classes[found[1]] = Class(base=found[2])
        elif found := _LOCALS.match(statement):
            types = dict(re.findall(r"(\w+)=(\w+)", found[1]))
        elif found := _FUNCTION.match(statement):
            functions = module.functions if current is None else current.methods
            functions[found[1]] = _declared_function(found[2], types)
            types = {}
        elif found := _VARIABLE.match(statement):
            names = [name.strip() for name in found[2].split(",")]
            if current is None:
                module.names |= set(names)
            else:
                current.fields |= dict.fromkeys(names, found[1])
        elif not (
            _IMPORT.match(statement)
            or (current is None and (statement == "cdef enum:" or _ENUM_MEMBER.match(statement)))
            or _CLASS_DECORATOR.match(statement)
            or (statement == "pass" and current is not None)
        ):
            raise ValueError(f"cannot interpret this line of a .pxd file: {statement!r}")
    return module


def _declared_function(arguments: str, types: dict[str, str]) -> Function:
    declared = [argument.split() for argument in arguments.split(",") if argument.strip()]
    typed = {words[-1]: words[-2] for words in declared if len(words) > 1}
    return Function([words[-1].lstrip("*") for words in declared], set(types), typed | types)


def _statements(text: str) -> list[str]:
    """Return the lines that declare something. A statement in brackets over several lines is one."""
    lines: list[str] = []
    depth = 0
    for line in (re.sub(r"#.*", "", raw).rstrip() for raw in text.splitlines()):
        if depth:
            lines[-1] += f" {line.strip()}"
        elif line:
            lines.append(line)
        depth += line.count("(") - line.count(")")
    return lines


_PYX_STATEMENT = re.compile(
    r"(?m)^(    )?(?:cdef class (\w+).*:|(?:async )?(?:def|cpdef) ([^(]*?)(\w+)\(([^)]*)\).*:)$"
)


def read_pyx(text: str) -> Module:
    """Return the classes, and the functions and methods that Python code can call."""
    module = Module()
    current = Class()
    for indent, name, _, function, arguments in _PYX_STATEMENT.findall(Stripped(text).text):
        if name:
            current = module.classes[name] = Class()
        else:
            arguments = re.sub(r"=[^,]*", "", arguments)
            functions = current.methods if indent else module.functions
            functions["__init__" if function == "__cinit__" else function] = _declared_function(arguments, {})
    return module


# -- comparisons ------------------------------------------------------------------------------------------------------


def differences(sources: dict[str, Module], declarations: dict[str, Module]) -> list[str]:
    """Return a sentence for each difference between source files and the .pxd files of the same names.

    A file without a .pxd must not define a class, whose instances would have no fields that compiled code can use.
    Exceptions are exempt: they are ordinary classes in both variants.
    """
    found: list[str] = []
    classes = Classes(sources, declarations)
    for file, source in sources.items():
        declared = declarations.get(file, Module())
        found += [f"{file}: {name} is declared, never assigned" for name in sorted(declared.names - source.names)]
        found += _function_differences(file, source.functions, declared.functions)
        ours = {name for name, kind in source.classes.items() if not (kind.base or "").endswith(("Error", "Exception"))}
        found += [
            f"{file}: class {name} is in only one of the files" for name in sorted(ours ^ declared.classes.keys())
        ]
        for name in sorted(ours & declared.classes.keys()):
            found += _class_differences(f"{file}: {name}", name, classes)
            found += _function_differences(
                f"{file}: {name}", source.classes[name].methods, declared.classes[name].methods
            )
        for where, name, field in classes.foreign_assignments(file):
            if field not in classes.known_fields(name):
                found.append(f"{file}: {where} assigns {name}.{field}, which is not declared")
    return found


class Classes:
    """The classes of all files, by name: a class and its base may be in two of them."""

    def __init__(self, sources: dict[str, Module], declarations: dict[str, Module]) -> None:
        self._sources = sources
        self._declarations = declarations
        self.source = {name: kind for module in sources.values() for name, kind in module.classes.items()}
        self.declared = {name: kind for module in declarations.values() for name, kind in module.classes.items()}
        self.assigned_elsewhere = {
            (name, field) for file in sources for _, name, field in self.foreign_assignments(file)
        }

    def known_fields(self, name: str | None) -> dict[str, str | None]:
        """Return what can be assigned on instances: declared fields and properties, inherited ones included."""
        found: dict[str, str | None] = {}
        while name is not None and name in self.declared:
            properties = self.source[name].properties if name in self.source else {}
            found = {**dict.fromkeys(properties), **self.declared[name].fields, **found}
            name = self.declared[name].base
        return found

    def foreign_assignments(self, file: str) -> Iterator[tuple[str, str, str]]:
        """Yield (function, class, field) of each assignment through another name than ``self``, such as
        ``receiver.guard = guard`` or ``self.wait.future = None``, where the type of that name is known."""
        declared = self._declarations.get(file, Module())
        for name, function in self._sources[file].functions.items():
            yield from self._assignments(name, function, declared.functions.get(name), None)
        for owner, kind in self._sources[file].classes.items():
            typed = declared.classes.get(owner, Class()).methods
            for name, function in kind.methods.items():
                yield from self._assignments(f"{owner}.{name}", function, typed.get(name), owner)
            for name, nodes in kind.properties.items():
                for node in nodes:
                    yield from self._assignments(f"{owner}.{name}", _function(node), None, owner)

    def _assignments(
        self, where: str, function: Function, declared: Function | None, owner: str | None
    ) -> Iterator[tuple[str, str, str]]:
        assert function.node is not None
        types = dict(declared.types) if declared is not None else {}
        if owner is not None:
            types["self"] = owner
        for argument in (*function.node.args.args, *function.node.args.kwonlyargs):
            self._learn(types, argument.arg, argument.annotation)
        for node in ast.walk(function.node):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self._learn(types, node.target.id, node.annotation)
            elif isinstance(node, ast.Assign):
                kind = self._type(node.value, types)
                for target in node.targets:
                    if kind is not None and isinstance(target, ast.Name):
                        types.setdefault(target.id, kind)
        for stored in _stored_attributes(function.node):
            kind = self._type(stored.value, types)
            if kind in self.declared and ast.unparse(stored.value) != "self":
                yield where, kind, stored.attr

    def _learn(self, types: dict[str, str], name: str, annotation: ast.expr | None) -> None:
        for part in ast.walk(annotation) if annotation is not None else ():
            if isinstance(part, ast.Name) and part.id in self.declared:
                types.setdefault(name, part.id)

    def _type(self, value: ast.expr, types: dict[str, str]) -> str | None:
        """Return the name of the class of an expression, if the declarations determine it."""
        if isinstance(value, ast.Name):
            return types.get(value.id)
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in self.declared:
            return value.func.id
        if isinstance(value, ast.Attribute):
            return self.known_fields(self._type(value.value, types)).get(value.attr)
        return None


def _class_differences(where: str, name: str, classes: Classes) -> list[str]:
    source, declared = classes.source[name], classes.declared[name]
    found = []
    if source.base != declared.base:
        found.append(f"{where}: derived from {source.base}, declared as derived from {declared.base}")
    assigned = source.fields.keys() | source.announced
    elsewhere = {field for owner, field in classes.assigned_elsewhere if owner == name}
    found += [
        f"{where}.{field}: assigned, not declared"
        for field in sorted(assigned - classes.known_fields(name).keys() - source.properties.keys())
    ]
    found += [
        f"{where}.{field}: declared, never assigned"
        for field in sorted(declared.fields.keys() - assigned - elsewhere - {"__weakref__"})
    ]
    if source.slots is not None and source.slots != declared.fields.keys():
        found.append(
            f"{where}: __slots__ and the declared fields differ: {sorted(source.slots ^ declared.fields.keys())}"
        )
    return found


def _function_differences(where: str, source: dict[str, Function], declared: dict[str, Function]) -> list[str]:
    found = []
    for name, typed in declared.items():
        if name not in source:
            found.append(f"{where}.{name}: declared, not defined")
            continue
        if source[name].arguments != typed.arguments:
            found.append(f"{where}.{name}: takes {source[name].arguments}, declared with {typed.arguments}")
        found += [
            f"{where}.{name}: variable {variable} has a type, but does not exist"
            for variable in sorted(typed.variables - source[name].variables)
        ]
    return found


def variant_differences(file: str, pure: Module, compiled: Module) -> list[str]:
    """Return a sentence for each difference between a .py and the .pyx that replaces it in the compiled core.

    Only the .pyx may have further classes: what a function returns is a memoryview or None in the pure core. A name
    that the .py assigns, such as ``clear_list = list.clear``, stands for a function of the .pyx.
    """
    compiled_functions = {name: one for name, one in compiled.functions.items() if name not in pure.names}
    found = _variant_functions(file, pure.functions, compiled_functions)
    for name, kind in pure.classes.items():
        if name in compiled.classes:
            found += _variant_functions(f"{file}: {name}", kind.methods, compiled.classes[name].methods)
        else:
            found.append(f"{file}: class {name} is in the .py only")
    return found


def _variant_functions(where: str, pure: dict[str, Function], compiled: dict[str, Function]) -> list[str]:
    pure, compiled = (
        {name: one for name, one in functions.items() if _is_public(name)} for functions in (pure, compiled)
    )
    found = [f"{where}.{name}: in the .py only" for name in sorted(pure.keys() - compiled.keys())]
    found += [f"{where}.{name}: in the .pyx only" for name in sorted(compiled.keys() - pure.keys())]
    found += [
        f"{where}.{name}: takes {pure[name].arguments} in the .py, {compiled[name].arguments} in the .pyx"
        for name in sorted(pure.keys() & compiled.keys())
        if pure[name].arguments != compiled[name].arguments
    ]
    return found


def _is_public(name: str) -> bool:
    return name == "__init__" or not name.startswith("_")
