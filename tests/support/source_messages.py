"""The texts that the package raises and logs, read from its source: what differs from call to call is ``…``."""

import ast
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "src" / "sluiceway"


# What a call makes an exception of: raised there, or passed on.
EXCEPTION = re.compile(r"(?:\b[A-Z]\w*(?:Error|Group)|gaierror|UnsupportedOperation)$")


class Message(NamedTuple):
    file: str
    line: int
    kind: str
    """The class of an exception, the method of a logger, or "report" for what a loop's exception handler gets."""
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.kind}: {self.text}"


def text_of(node: ast.expr) -> str | None:
    """Return the text of a string, with ``…`` for each value in it; None for any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(?:[rsd]|\.?\d*g)", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        text = "".join((text_of(part) or "…") if isinstance(part, ast.Constant) else "…" for part in node.values)
        return re.sub("…+", "…", text)
    return None


def first_text(arguments: list[ast.expr]) -> str | None:
    """Return the first argument that is a text: an OSError has a number before it."""
    return next((text for argument in arguments if (text := text_of(argument))), None)


def exceptions_of(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and EXCEPTION.search(ast.unparse(node.func)) and (text := first_text(node.args)):
            yield node.lineno, ast.unparse(node.func), text


def records_of(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func.value)
            if called == "logger" and (text := first_text(node.args)):
                yield node.lineno, node.func.attr, text
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "message" and (text := text_of(value)):
                    yield node.lineno, "report", text


def trees(path: pathlib.Path) -> Iterator[ast.AST]:
    """Yield the syntax tree of a file; of a Cython file those of its statements that raise, log or report."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield ast.parse(source)
        return
    for start in re.finditer(r"\b([A-Z]\w*Error|logger\.\w+|call_exception_handler)\(", source):
        for end in re.finditer(r"\)", source[start.end() :]):
            try:
                tree = ast.parse(source[start.start() : start.end() + end.end()])
            except SyntaxError:
                continue
            yield ast.increment_lineno(tree, source.count("\n", 0, start.start()))
            break


def messages(find: Callable[[ast.AST], Iterator[tuple[int, str, str]]]) -> list[Message]:
    """Return what ``exceptions_of`` or ``records_of`` finds in the package; the command line has its own tests."""
    return [
        Message(path.relative_to(PACKAGE).as_posix(), *message)
        for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx")])
        if "cli" not in path.parts
        for tree in trees(path)
        for message in find(tree)
    ]
