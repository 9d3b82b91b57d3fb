"""The public names are listed exactly, sorted, documented and typed."""

import pathlib
import types

import sluiceway
from architecture.public_names import PUBLIC


def test_all_lists_public_names_exactly() -> None:
    for name in PUBLIC:
        getattr(sluiceway, name)
    found = {
        name
        for name, value in vars(sluiceway).items()
        if not name.startswith("_") and name != "annotations" and not isinstance(value, types.ModuleType)
    }
    assert len(sluiceway.__all__) == len(set(sluiceway.__all__))
    assert set(sluiceway.__all__) == found | {"__version__"} == PUBLIC


def test_all_is_sorted() -> None:
    def constants_then_classes_then_others(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2), name

    assert list(sluiceway.__all__) == sorted(sluiceway.__all__, key=constants_then_classes_then_others)


def undocumented() -> list[str]:
    """Return the public classes and functions, and the methods and properties of ours, that have no docstring."""
    found = []
    for name in sluiceway.__all__:
        thing = getattr(sluiceway, name)
        if callable(thing) and not thing.__doc__:
            found.append(name)
        # An override may rely on the docstring of a base class of the package, but not on asyncio's.
        bases = [base for base in getattr(thing, "__mro__", ()) if base.__module__.startswith("sluiceway.")]
        members = {member: attribute for base in bases for member, attribute in vars(base).items() if member[0] != "_"}
        for member, attribute in members.items():
            documented = any(vars(base)[member].__doc__ for base in bases if member in vars(base))
            if (callable(attribute) or isinstance(attribute, property)) and not documented:
                found.append(f"{name}.{member}")
    return sorted(set(found))


def test_every_public_name_has_docstring() -> None:
    assert undocumented() == []


def test_package_has_py_typed_marker() -> None:
    assert pathlib.Path(sluiceway.__file__).with_name("py.typed").is_file()
