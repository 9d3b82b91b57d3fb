"""Lookups by which one layer finds private attributes of another: ``getattr(x, "_name")`` and ``hasattr(x, "_name")``.

A private name of ours begins with ``_sluiceway`` or ``_ps_``, or begins with ``_`` and is an attribute of a class of
the package. Names that asyncio's own objects have too are in ASYNCIO_NAMES, each with the reason. A file may look up
what it stores on a foreign object itself, with setattr() and a name that no class of the package has.
"""

from architecture.facts import Facts

PREFIXES = ("_sluiceway", "_ps_")
LOOKUPS = {"getattr", "hasattr"}
ASYNCIO_NAMES = {
    "_client_connected_cb": "asyncio's start_tls() decides by it whether the protocol belongs to a server",
    "_eof": "a reader given to StreamWriter can be asyncio's; only its at_eof() is public, and that needs no data",
    "_paused": "a foreign protocol can derive from asyncio's FlowControlMixin, which reports its state nowhere else",
    "_replace_transport": "asyncio's StreamReaderProtocol has it since Python 3.13, and _replace_writer before that",
    "_source_traceback": "asyncio's StreamReaderProtocol reads it from the reader that it is given",
    "_ssl_protocol": "asyncio's TLS transport keeps its SSLProtocol there",
    "_transport": "asyncio's SSLProtocol keeps the transport below it there",
}
SINCE = {"_replace_transport": (3, 13)}


def private_names(*files: Facts) -> set[str]:
    """Return the private attributes that the classes of these files define."""
    names = {name for facts in files for name in facts.attributes}
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


def lookup_violations(facts: Facts, names: set[str], module: str) -> list[str]:
    """Return a line for each lookup of one of ``names``, or of a name with one of our prefixes."""
    stored = {call.arguments[1] for call in facts.calls if call.function == "setattr" and len(call.arguments) > 2}
    found = []
    for call in facts.calls:
        if call.function not in LOOKUPS or len(call.arguments) < 2 or call.arguments[1] is None:
            continue
        name = call.arguments[1]
        if name in names:
            forbidden = name not in ASYNCIO_NAMES
        else:
            forbidden = name.startswith(PREFIXES) and name not in stored
        if forbidden:
            found.append(f'{module}:{call.line}: {call.function}(…, "{name}") looks up a private attribute of ours')
    return found
