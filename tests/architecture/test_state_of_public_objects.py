"""S12: classes that programs subclass have one private attribute of the package, ``_sluiceway``, besides asyncio's.

Any other name could be one that a subclass uses for its own state.
"""

import pytest

import sluiceway

# The private names of asyncio's classes and objects in CPython 3.11 to 3.15.
ASYNCIO = {
    "StreamReader": {
        "_buffer", "_eof", "_exception", "_limit", "_loop", "_maybe_resume_transport", "_paused",
        "_replace_transport", "_source_traceback", "_transport", "_wait_for_data", "_waiter", "_wakeup_waiter",
    },
    "StreamWriter": {"_complete_fut", "_loop", "_protocol", "_reader", "_transport"},
    "StreamReaderProtocol": {
        "_client_connected_cb", "_closed", "_connection_lost", "_drain_helper", "_drain_waiters", "_get_close_waiter",
        "_loop", "_over_ssl", "_paused", "_reject_connection", "_replace_transport", "_replace_writer",
        "_source_traceback", "_stream_reader", "_stream_reader_wr", "_stream_writer", "_strong_reader", "_task",
        "_transport",
    },
    "FlowControlMixin": {
        "_connection_lost", "_drain_helper", "_drain_waiters", "_get_close_waiter", "_loop", "_paused",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ASYNCIO)
def test_private_names_of_public_class_are_of_asyncio_or_begin_with_sluiceway(name: str) -> None:
    cls = getattr(sluiceway, name)
    bases = [base for base in cls.__mro__ if base.__module__.startswith("sluiceway.")]
    names = {member for base in bases for member in vars(base) if member[0] == "_" and member[:2] != "__"}
    # Added by ABCMeta, the metaclass.
    names -= {"_abc_impl"}
    assert {member for member in names - ASYNCIO[name] if not member.startswith("_sluiceway")} == set()


@pytest.mark.parametrize("name", ASYNCIO)
def test_slots_of_public_class_are_of_asyncio_or_sluiceway(name: str) -> None:
    cls = getattr(sluiceway, name)
    bases = [base for base in cls.__mro__ if base.__module__.startswith("sluiceway.")]
    slots = {slot for base in bases for slot in vars(base).get("__slots__", ())}
    assert {slot for slot in slots - ASYNCIO[name] if slot != "_sluiceway"} == set()


@pytest.mark.loops("asyncio")
async def test_dict_of_public_object_has_only_sluiceway_attribute() -> None:
    reader = sluiceway.StreamReader()
    protocol = sluiceway.StreamReaderProtocol(reader)
    for instance in (reader, protocol):
        assert set(vars(instance)) <= {"_sluiceway"}
