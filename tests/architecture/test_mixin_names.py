"""No two base classes of one class define the same private name: one would hide the other without a message."""

import importlib
import itertools
import pkgutil

import pytest

import sluiceway


def package_classes() -> list[type]:
    for info in pkgutil.walk_packages(sluiceway.__path__, "sluiceway."):
        if "__main__" not in info.name:
            try:
                importlib.import_module(info.name)
            except ImportError:
                # A compiled part that is not built, or another system's.
                continue
    # By identity, because the comparison of a class of typing warns since Python 3.15.
    found: dict[int, type] = {}
    pending: list[type] = [object]
    while pending:
        for cls in type.__subclasses__(pending.pop()):
            if id(cls) not in found and not issubclass(cls, type):
                found[id(cls)] = cls
                pending.append(cls)
    return [cls for cls in found.values() if is_own(cls)]


def is_own(cls: type) -> bool:
    # A class of an extension module may have none.
    return str(getattr(cls, "__module__", "")).startswith("sluiceway")


def private_names(cls: type) -> set[str]:
    return {name for name in vars(cls) if name.startswith("_") and not name.startswith(("__", "_abc_"))}


def hidden_names(cls: type) -> list[str]:
    """Return the private names that two base classes define, neither of which derives from the other."""
    bases = [base for base in cls.__mro__ if is_own(base)]
    return [
        f"{cls.__qualname__}: {name} of {one.__qualname__} and {other.__qualname__}"
        for one, other in itertools.combinations(bases, 2)
        if not issubclass(one, other)
        for name in sorted(private_names(one) & private_names(other))
    ]


def test_base_classes_of_a_class_share_no_private_name() -> None:
    assert sorted(itertools.chain.from_iterable(map(hidden_names, package_classes()))) == []


@pytest.mark.parametrize(("name", "hidden"), [("_describe", 1), ("describe", 0), ("__init__", 0)])
def test_shared_private_name_is_found(name: str, hidden: int) -> None:
    one, other = (type(letter, (), {name: None, "__module__": "sluiceway.test"}) for letter in "AB")
    both = type("Both", (one, other), {"__module__": "sluiceway.test"})
    assert len(hidden_names(both)) == hidden
    assert hidden_names(type("Override", (one,), {name: None, "__module__": "sluiceway.test"})) == []
