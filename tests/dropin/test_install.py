"""install(), uninstall() and installed(): whose classes asyncio's names stand for, and when (contract S12)."""

import asyncio
import subprocess
import sys
from asyncio import base_events, streams
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

import sluiceway
from dropin.class_combinations import asyncio_class

CLASSES = ("StreamReader", "StreamWriter", "StreamReaderProtocol")
FUNCTIONS = ("open_connection", "start_server", "open_unix_connection", "start_unix_server")
THEIRS = {name: getattr(streams, name) for name in (*CLASSES, *FUNCTIONS, "FlowControlMixin")}


class DerivedBefore(asyncio.StreamReader):
    """What a library that was imported before install() has."""


@pytest.fixture(autouse=True)
def _uninstalled_at_the_end() -> Iterator[None]:
    assert names_now() == THEIRS
    yield
    sluiceway.uninstall()
    assert names_now() == THEIRS


def names_now() -> dict[str, Any]:
    return {name: getattr(streams, name) for name in THEIRS}


def is_installed() -> bool:
    """Every name or none; AssertionError for some."""
    ours = [getattr(streams, name) is not original for name, original in THEIRS.items()]
    ours += [getattr(asyncio, name) is not THEIRS[name] for name in (*CLASSES, *FUNCTIONS)]
    assert len(set(ours)) == 1, names_now()
    assert sluiceway.is_installed() is ours[0]
    return ours[0]


def test_every_name_is_replaced_and_put_back() -> None:
    sluiceway.install()
    for name in CLASSES:
        assert getattr(asyncio, name) is getattr(streams, name) is getattr(sluiceway, name)
    assert streams.FlowControlMixin is sluiceway.FlowControlMixin
    for name in FUNCTIONS:
        assert getattr(asyncio, name) is getattr(streams, name)
        now = getattr(asyncio, name)
        assert getattr(now, "__wrapped__", now) is getattr(sluiceway, name)
    sluiceway.uninstall()
    assert not is_installed()


def test_installing_and_uninstalling_twice_is_harmless() -> None:
    sluiceway.uninstall()
    assert not is_installed()
    sluiceway.install()
    sluiceway.install()
    assert is_installed()
    assert issubclass(THEIRS["StreamReader"], asyncio.StreamReader)
    sluiceway.uninstall()
    assert not is_installed()
    sluiceway.uninstall()
    assert not is_installed()
    sluiceway.install()
    assert is_installed()


def test_installed_as_a_condition_raises_type_error_that_names_is_installed() -> None:
    with pytest.raises(TypeError, match=r"is_installed\(\) returns whether"):
        bool(sluiceway.installed())
    assert not is_installed()


def test_installed_decorates_a_function() -> None:
    decorated = sluiceway.installed()(is_installed)
    assert [decorated(), is_installed(), decorated()] == [True, False, True]


def test_install_and_uninstall_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    made_of = f"(core: {sluiceway.IMPLEMENTATION}, engine: {sluiceway.ENGINE})"
    with caplog.at_level("DEBUG", logger="sluiceway"):
        sluiceway.install()
        sluiceway.install()
        sluiceway.uninstall()
        sluiceway.uninstall()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", f"installed: asyncio's streams are sluiceway's {made_of}"),
        ("DEBUG", "uninstalled: asyncio's streams are asyncio's own again"),
    ]


def test_installed_is_nested() -> None:
    with sluiceway.installed():
        with sluiceway.installed():
            assert is_installed()
        assert is_installed()
    assert not is_installed()


def test_installed_leaves_an_installation_as_it_was() -> None:
    sluiceway.install()
    with sluiceway.installed():
        assert is_installed()
    assert is_installed()


def test_installed_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), sluiceway.installed():
        raise KeyError
    assert not is_installed()


def test_uninstalling_inside_installed_is_harmless() -> None:
    with sluiceway.installed():
        sluiceway.uninstall()
        assert not is_installed()
    assert not is_installed()


@pytest.mark.parametrize("module", [asyncio, streams], ids=["asyncio", "asyncio.streams"])
def test_somebody_elses_patch_over_ours_survives(module: Any) -> None:
    class Elses(sluiceway.StreamReader):
        pass

    sluiceway.install()
    module.StreamReader = Elses
    try:
        sluiceway.uninstall()
        assert module.StreamReader is Elses
        assert {name for name, now in names_now().items() if now is not THEIRS[name]} <= {"StreamReader"}
    finally:
        module.StreamReader = THEIRS["StreamReader"]
    assert not is_installed()


def test_a_patch_made_before_install_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elses(asyncio.StreamReader):
        pass

    with monkeypatch.context() as patch:
        patch.setattr(streams, "StreamReader", Elses)
        sluiceway.install()
        assert streams.StreamReader is sluiceway.StreamReader
        sluiceway.uninstall()
        assert streams.StreamReader is Elses
        assert asyncio.StreamReader is THEIRS["StreamReader"]


def test_classes_derived_before_keep_their_base_and_those_derived_after_have_ours() -> None:
    sluiceway.install()

    class DerivedAfter(asyncio.StreamReader):
        pass

    assert DerivedBefore.__mro__[1] is THEIRS["StreamReader"]
    assert DerivedAfter.__mro__[1] is sluiceway.StreamReader
    sluiceway.uninstall()

    class DerivedLater(asyncio.StreamReader):
        pass

    assert DerivedLater.__mro__[1] is THEIRS["StreamReader"]
    assert DerivedAfter.__mro__[1] is sluiceway.StreamReader


@pytest.mark.parametrize("name", [*CLASSES, "FlowControlMixin"])
@pytest.mark.loops("asyncio")
async def test_isinstance_and_issubclass_both_ways(name: str) -> None:
    ours, theirs = getattr(sluiceway, name), THEIRS[name]
    our_object, their_object = an_object_of(ours), an_object_of(theirs)
    assert theirs is asyncio_class(ours)
    assert isinstance(our_object, theirs)
    assert issubclass(ours, theirs)
    assert not isinstance(their_object, ours)
    assert not issubclass(theirs, ours)
    sluiceway.install()
    # Under asyncio's name, now sluiceway's class, what was kept of asyncio's counts as before.
    now = getattr(streams, name)
    assert isinstance(their_object, now)
    assert isinstance(our_object, now)
    assert issubclass(theirs, now)
    assert issubclass(ours, now)
    assert not isinstance(object(), now)
    assert not issubclass(int, now)
    sluiceway.uninstall()
    assert isinstance(our_object, getattr(streams, name))
    assert not isinstance(their_object, ours)
    assert not issubclass(theirs, ours)


def an_object_of(kind: Any) -> Any:
    loop = asyncio.get_running_loop()
    if issubclass(kind, THEIRS["StreamReader"]):
        return kind(loop=loop)
    if issubclass(kind, THEIRS["StreamReaderProtocol"]):
        return kind(asyncio.StreamReader(loop=loop), loop=loop)
    if issubclass(kind, THEIRS["StreamWriter"]):
        closed = mock.create_autospec(asyncio.Transport, instance=True)
        closed.is_closing.return_value = True
        return kind(closed, an_object_of(THEIRS["StreamReaderProtocol"]), None, loop)
    return kind(loop)


def test_subclasses_of_ours_are_not_stood_in_for() -> None:
    """The question is answered as asyncio's class would, and a subclass is not asyncio's class."""
    sluiceway.install()

    class Special(asyncio.StreamReader):
        pass

    assert not issubclass(THEIRS["StreamReader"], Special)
    assert not issubclass(DerivedBefore, Special)
    assert issubclass(DerivedBefore, asyncio.StreamReader)


def test_a_servers_class() -> None:
    assert issubclass(sluiceway.Server, base_events.Server)
    assert issubclass(sluiceway.Server, asyncio.AbstractServer)


async def test_the_functions_make_sluiceways_objects_while_installed_only(tmp_path: Any, unix_path: str) -> None:
    accepted: list[Any] = []

    def handler(reader: Any, writer: Any) -> None:
        accepted.append((reader, writer))
        writer.close()

    for ours in (True, False):
        if ours:
            sluiceway.install()
        for unix in (False, True):
            if unix:
                server = await asyncio.start_unix_server(handler, unix_path)
                reader, writer = await asyncio.open_unix_connection(unix_path)
            else:
                server = await asyncio.start_server(handler, "127.0.0.1", 0)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()
            for far_reader, far_writer in [*accepted, (reader, writer)]:
                await far_writer.wait_closed()
                assert isinstance(far_reader, sluiceway.StreamReader) is ours
                assert isinstance(far_writer, sluiceway.StreamWriter) is ours
            assert isinstance(server, sluiceway.Server) is ours
            accepted.clear()
        sluiceway.uninstall()


async def test_what_was_made_while_installed_works_on_afterwards() -> None:
    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()

    sluiceway.install()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    sluiceway.uninstall()
    writer.write(b"still there\n")
    assert await reader.read() == b"still there\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def test_importing_sluiceway_changes_nothing() -> None:
    from support.package import package_directory

    program = (
        "import asyncio, asyncio.streams as s; before = {**vars(asyncio)}, {**vars(s)}; import sluiceway; "
        "after = {**vars(asyncio)}, {**vars(s)}; assert all(new[name] is old[name] for old, new in zip(before, after) "
        "for name in old), 'changed'"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env={"PYTHONPATH": str(package_directory().parent)}, check=True
    )
