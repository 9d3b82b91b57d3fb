"""Write the reference: the public names, their signatures and docstrings, as one Markdown page.

Usage: python tools/reference.py [--check] FILE

The page is made from the names in sluiceway.__all__. Signatures are taken from the source text, so that the page is the
same whatever interpreter makes it. With --check nothing is written; a page that is not up to date is an error.
"""

import ast
import difflib
import enum
import inspect
import itertools
import os
import pathlib
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

# Compiled functions have no source to read a signature from; the choice is made at import.
os.environ["SLUICEWAY_PURE"] = "1"
os.environ["SLUICEWAY_ENGINE"] = "loop"

import sluiceway

# Characters of a signature that are still read at a glance, and fit a page.
WIDTH = 90

INTRODUCTION = """\
# Reference

What each public name promises. Made from the docstrings by `make docs`; edit those, not this page.
"""


def is_own(thing: Any) -> bool:
    """Say whether sluiceway defines this, or only passes on what asyncio has."""
    return (getattr(thing, "__module__", None) or "").partition(".")[0] == "sluiceway"


def signature(function: Any) -> str:
    """Return what stands between ``def`` and the colon, without self; a long one has a line for each argument."""
    if hasattr(function, "__signature__"):
        # Its keywords are defined elsewhere, once for several functions.
        given: inspect.Signature = function.__signature__
        return layout(list(format_parameters(given)), f" -> {given.return_annotation}")
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in node.decorator_list)
    arguments = list(format_arguments(node.args, function.__globals__))
    if "." in function.__qualname__.rpartition("<locals>.")[2] and not static:
        del arguments[0]
    return layout(arguments, f" -> {ast.unparse(node.returns)}" if node.returns else "")


def layout(arguments: list[str], returns: str) -> str:
    line = f"({', '.join(arguments)}){returns}"
    if len(line) <= WIDTH:
        return line
    return "(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


def format_parameters(signature: inspect.Signature) -> Iterator[str]:
    """Yield each parameter of a signature as a source would have it."""
    before: Any = None
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and before is not parameter.KEYWORD_ONLY:
            yield "*"
        before = parameter.kind
        text = f"{parameter.name}: {parameter.annotation}"
        if parameter.default is not parameter.empty:
            default = parameter.default
            text += f" = socket.{default.name}" if isinstance(default, enum.Enum) else f" = {default!r}"
        yield text


def format_arguments(arguments: ast.arguments, names: dict[str, Any]) -> Iterator[str]:
    """Yield each argument as the source has it, the bare ``/`` and ``*`` among them; constants by their value."""

    def format_argument(argument: ast.arg, default: ast.expr | None = None, stars: str = "") -> str:
        text = stars + argument.arg
        if argument.annotation:
            text += f": {ast.unparse(argument.annotation)}"
        if default:
            value = repr(names[default.id]) if isinstance(default, ast.Name) else ast.unparse(default)
            text += f" = {value}" if argument.annotation else f"={value}"
        return text

    positional = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    for number, (argument, default) in enumerate(zip(positional, defaults, strict=True), 1):
        yield format_argument(argument, default)
        if number == len(arguments.posonlyargs):
            yield "/"
    if arguments.vararg:
        yield format_argument(arguments.vararg, stars="*")
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield format_argument(argument, default)
    if arguments.kwarg:
        yield format_argument(arguments.kwarg, stars="**")


def unwrap(attribute: Any) -> Any:
    """Return the function under a property, a class method or a decorator."""
    if isinstance(attribute, property):
        attribute = attribute.fget
    return inspect.unwrap(getattr(attribute, "__func__", attribute))


def docstring(thing: Any) -> str:
    return markdown((inspect.getdoc(thing) or "").strip())


def markdown(docstring: str) -> str:
    """Return a docstring with its sections (``Args:`` and the like) as lists, and its literals as Markdown's."""
    lines = []
    in_section = False
    for line in docstring.splitlines():
        if re.fullmatch(r"[A-Z][A-Za-z ]+:", line):
            in_section = True
            lines += ["", f"**{line}**", ""]
        elif in_section and line.startswith(" "):
            item = re.match(r"    (?! )(?:([*\w., |]+): )?(.*)", line)
            if item is None:
                lines.append(f"  {line.strip()}")
            elif item[1]:
                lines.append(f"- `{item[1]}`: {item[2]}")
            else:
                lines.append(item[2])
        else:
            in_section = in_section and not line
            lines.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).replace("``", "`")


def describe_function(title: str, function: Any, heading: str) -> Iterator[str]:
    prefix = "async " if inspect.iscoroutinefunction(function) else ""
    yield f"{heading} `{title}`"
    yield f"```text\n{prefix}{title}{signature(unwrap(function))}\n```"
    yield docstring(function)


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the public attributes that sluiceway gives a class, in the order of the source, the class's own first."""
    seen = set()
    for base in cls.__mro__:
        for name, attribute in vars(base).items():
            if name not in seen and not name.startswith("_") and is_own(base):
                seen.add(name)
                yield name, attribute


def describe_class(name: str, cls: type) -> Iterator[str]:
    yield f"## `{name}`"
    if not is_own(cls):
        yield f"`{cls.__module__}.{cls.__qualname__}` itself."
        return
    init = inspect.getattr_static(cls, "__init__")
    if inspect.isfunction(init) and is_own(init):
        yield f"```text\n{name}{signature(init).removesuffix(' -> None')}\n```"
    bases = [base.__name__ for base in cls.__mro__[1:] if base.__module__.partition(".")[0] == "asyncio"]
    if bases:
        yield f"Is a subclass of asyncio's {', '.join(f'`{base}`' for base in bases)}."
    yield docstring(cls)
    for member, attribute in members(cls):
        function = unwrap(attribute)
        if not inspect.isfunction(function) or not docstring(attribute):
            continue
        if isinstance(attribute, property):
            yield f"### `{name}.{member}`"
            returns = signature(function).rpartition(" -> ")[2]
            yield f"```text\n{name}.{member}: {returns}\n```"
            yield docstring(attribute)
        else:
            yield from describe_function(f"{name}.{member}", function, "###")


def describe(name: str) -> Iterator[str]:
    thing = getattr(sluiceway, name)
    if inspect.isclass(thing):
        yield from describe_class(name, thing)
    elif inspect.isroutine(thing):
        yield from describe_function(name, thing, "##")
    else:
        yield f"## `{name}`"
        yield f"A `{type(thing).__name__}`."
        yield markdown(constant_docstring(name))


def constant_docstring(name: str) -> str:
    """Return the string that stands below the assignment of a public constant, where it is defined."""
    package = pathlib.Path(sluiceway.__file__)
    module = package
    for node in ast.parse(package.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            module = package.parent.joinpath(*(node.module or "").split(".")).with_suffix(".py")
    body = ast.parse(module.read_text(encoding="utf-8")).body
    for node, below in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name and isinstance(below, ast.Expr):
            return inspect.cleandoc(ast.literal_eval(below.value))
    return ""


def render_page() -> str:
    parts = [INTRODUCTION]
    for name in sorted(sluiceway.__all__, key=lambda name: (name.startswith("_"), name.isupper(), name.lower())):
        parts += [part for part in describe(name) if part]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> None:
    arguments = sys.argv[1:]
    check = "--check" in arguments
    if check:
        arguments.remove("--check")
    if len(arguments) != 1:
        sys.exit(__doc__)
    path = pathlib.Path(arguments[0])
    new = render_page()
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new, encoding="utf-8")
        return
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if old != new:
        difference = difflib.unified_diff(old.splitlines(), new.splitlines(), str(path), "docstrings", lineterm="", n=1)
        sys.exit("not up to date, run `make docs`:\n" + "\n".join(difference))


if __name__ == "__main__":
    main()
