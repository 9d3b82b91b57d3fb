"""A method of compiled code is called on a local variable, not on an attribute that can be assigned meanwhile.

Cython passes the object of ``self.buffer.append(data)`` without a reference of its own. Code that the call runs may
assign the attribute; then the object is freed while its method runs. A local variable holds a reference. Attributes
that only constructors assign are exempt, and the calls in CALLS_WITHOUT_PYTHON_CODE, which run no Python code.
"""

import pathlib
import re

from architecture.cython_facts import Stripped
from support.package import package_directory

CALLS_WITHOUT_PYTHON_CODE = {
    "buffer.size",
    "_block.take",
    "_queue.append",
    "_scratch.part",
    "_scratch.take",
    "_scratch.view",
}

_FIELD = re.compile(r"(?m)^    cdef (?:public |readonly )?[A-Z]\w* (\w+)$")
_METHOD = re.compile(r"(?m)^    cp?def [\w. ]+ (\w+)\(")
_FUNCTION = re.compile(r"^ *(?:async )?c?p?def (?:[\w.]+ )*?(\w+)\(")
_TARGET = re.compile(r"(\w+)\.(\w+)(?:: [\w. |\[\]]+)?(?:, self\.\w+)* = ")
_CALL = re.compile(r"(\w+)\.(\w+)\.(\w+)\(")


def assignments(text: str) -> set[tuple[str, str]]:
    """Return (object, attribute) of the assignments outside constructors."""
    pairs: set[tuple[str, str]] = set()
    function = ""
    for line in text.splitlines():
        header = _FUNCTION.match(line)
        function = header[1] if header else function
        if function not in ("__init__", "__cinit__"):
            pairs.update(_TARGET.findall(line))
    return pairs


def violations(files: dict[str, str]) -> list[str]:
    """Return the calls that violate the rule; the fields of ``a.py`` are declared in ``a.pxd``."""
    stripped = {name: Stripped(text).text for name, text in files.items()}
    methods = {name for text in stripped.values() for name in _METHOD.findall(text)}
    assigned = {name: assignments(text) for name, text in stripped.items()}
    from_outside = {attribute for pairs in assigned.values() for owner, attribute in pairs if owner != "self"}
    replaced: dict[str, set[str]] = {}
    for name, text in stripped.items():
        fields = set(_FIELD.findall(text))
        same_stem = (pairs for other, pairs in assigned.items() if _stem(other) == _stem(name))
        own = {attribute for pairs in same_stem for owner, attribute in pairs if owner == "self"}
        replaced.setdefault(_stem(name), set()).update(fields & (own | from_outside))
    anywhere = set().union(*replaced.values())
    return [
        f"{name}:{number}: {owner}.{attribute}.{method}()"
        for name, text in stripped.items()
        for number, line in enumerate(text.splitlines(), 1)
        for owner, attribute, method in _CALL.findall(line)
        if method in methods
        and f"{attribute}.{method}" not in CALLS_WITHOUT_PYTHON_CODE
        and attribute in (replaced[_stem(name)] if owner == "self" else anywhere)
    ]


def _stem(name: str) -> str:
    return pathlib.PurePath(name).stem


def test_no_compiled_method_is_called_on_assigned_attribute() -> None:
    package = package_directory()
    folders = ("_core", "_core_c", "_transports/epoll")
    paths = [path for folder in folders for path in (package / folder).iterdir()]
    files = {str(path.relative_to(package)): path for path in paths if path.suffix in (".py", ".pyx", ".pxd")}
    assert violations({name: path.read_text(encoding="utf-8") for name, path in files.items()}) == []


def test_call_on_assigned_attribute_is_found() -> None:
    declaration = "cdef class A:\n    cdef public B b\n    cpdef int f(self)\n"
    source = "class A:\n    def __init__(self):\n        self.b = B()\n    def g(self):\n        self.b.f()\n"
    setter = "    def replace(self, b):\n        self.b = b\n"
    assert violations({"a.pxd": declaration, "a.py": source}) == []
    assert len(violations({"a.pxd": declaration, "a.py": source + setter})) == 1
    assert len(violations({"a.pxd": declaration, "a.py": source, "c.py": "def h(a):\n    a.b = None\n"})) == 1
