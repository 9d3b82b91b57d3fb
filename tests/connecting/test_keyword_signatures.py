"""The keywords of the four functions are defined once, and named by inspect, help() and the error for unknown ones."""

import inspect
import pydoc
from typing import Any

import pytest

import sluiceway
from sluiceway._asyncio import keyword_defaults as parameters

FUNCTIONS = {
    "open_connection": (parameters.TCPClientParameters, parameters.TCP_CLIENT),
    "open_unix_connection": (parameters.ClientParameters, parameters.UNIX_CLIENT),
    "start_server": (parameters.TCPServerParameters, parameters.TCP_SERVER),
    "start_unix_server": (parameters.UnixServerParameters, parameters.UNIX_SERVER),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature_names_each_keyword_with_its_default_and_type(name: str) -> None:
    parameter_types, defaults = FUNCTIONS[name]
    signature = inspect.signature(getattr(sluiceway, name))
    keywords = {p.name: p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
    assert keywords.keys() == defaults.keys() == parameter_types.__annotations__.keys()
    for keyword, parameter in keywords.items():
        assert parameter.default == defaults[keyword]
        assert isinstance(parameter.annotation, str)
    assert not [p for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_names_each_keyword(name: str) -> None:
    text = pydoc.plain(pydoc.render_doc(getattr(sluiceway, name)))
    for keyword in FUNCTIONS[name][1]:
        assert f"{keyword}: " in text


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("name", FUNCTIONS)
async def test_unknown_keyword_raises_type_error_that_names_it(name: str) -> None:
    arguments: list[Any] = [lambda reader, writer: None] if name.startswith("start") else []
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'sll'"):
        await getattr(sluiceway, name)(*arguments, sll=True)
