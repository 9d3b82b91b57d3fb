"""A lower layer never imports a higher one; the core does no I/O; the command line uses public names only."""

import pytest

from architecture.layers import LAYERS, layer_violations
from architecture.sources import Source, package_sources, read_source
from support.package import package_directory

CORE = "sluiceway._core.chunk_buffer"
CORE_C = "sluiceway._core_c.search"
TLS = "sluiceway._transports.tls.transport"
EPOLL = "sluiceway._transports.epoll.poller"
INTERFACE = "sluiceway._transports.transport_interface"
READER = "sluiceway._asyncio.reader"
DEMO = "sluiceway.cli.demo"


@pytest.mark.parametrize("source", package_sources(), ids=lambda source: source.name)
def test_file_imports_no_higher_layer(source: Source) -> None:
    found = layer_violations(source.facts(), source.module)
    assert not found, "\n".join(found)


def test_every_part_of_package_is_in_layer() -> None:
    parts = {source.name.split("/")[0].partition(".")[0] for source in package_sources()}
    assert parts - {"__init__"} <= LAYERS.keys()


def test_python_and_cython_files_are_all_checked() -> None:
    assert {source.path.suffix for source in package_sources()} == {".py", ".pyi", ".pyx", ".pxd"}
    assert list(package_directory().rglob("*.pxi")) == []  # an `include` would not be checked


@pytest.mark.parametrize(
    ("module", "suffix", "source"),
    [
        (CORE, ".py", "from sluiceway._connection import connection"),
        (CORE, ".py", "from .. import _connection"),
        (CORE, ".py", "from .._transports.loop_adapter import BoundedReceiver"),
        (CORE, ".py", "def f():\n    import sluiceway._asyncio.open_connection"),
        (CORE, ".py", "if TYPE_CHECKING:\n    from .._net.resolve import AddressInfo"),
        (CORE, ".pyi", "from .._net.resolve import AddressInfo"),
        (CORE, ".py", "importlib.import_module('sluiceway._net.resolve')"),
        (CORE, ".py", "importlib.import_module('.._net.resolve', 'sluiceway._core')"),
        (CORE, ".py", "importlib.import_module('.._net.resolve', __package__)"),
        (CORE, ".py", "importlib.import_module(package='sluiceway._core', name='.._net.resolve')"),
        (CORE, ".py", "NAME = 'sluiceway._net.resolve'"),
        (CORE, ".py", "__import__('sluiceway._net')"),
        (CORE, ".py", "importlib.util.find_spec('sluiceway._transports.epoll.poller')"),
        (CORE, ".py", "sys.modules['sluiceway._net']"),
        (CORE, ".py", "importlib.import_module(f'sluiceway.{part}')"),
        (CORE, ".py", "importlib.import_module('sluiceway.' + part)"),
        (CORE, ".py", "__import__('_net', globals(), locals(), [], 2)"),
        (CORE, ".py", "__import__('_net', level=2)"),
        (CORE_C, ".pyx", "from sluiceway._transports.epoll.poller cimport Poller"),
        (CORE_C, ".pyx", "from .._transports.epoll cimport poller"),
        (CORE_C, ".pyx", "cimport sluiceway._transports.epoll.poller"),
        (CORE_C, ".pyx", "import sluiceway._net.resolve as r, os"),
        (CORE_C, ".pyx", "cdef f():\n    from .._net.resolve import (  # why\n        resolve,\n    )"),
        (CORE_C, ".pyx", "if x: from .._net import resolve"),
        (CORE_C, ".pyx", "import os; import sluiceway._net"),
        (CORE_C, ".pyx", "from .._net \\\n    import resolve"),
        (CORE_C, ".pyx", "import_module('sluiceway._net.resolve')"),
        (CORE_C, ".pyx", "import_module('.._net.resolve', __package__)"),
        (CORE_C, ".pyx", "cdef str NAME = 'sluiceway._net'"),
        (CORE_C, ".pxd", "from .._transports.epoll.poller cimport Poller"),
        ("sluiceway._constants", ".py", "from sluiceway import _core"),
        ("sluiceway._config", ".py", "from ._implementation import core"),
        (TLS, ".py", "from ..._net import resolve"),
        ("sluiceway._net.accept", ".py", "from .._connection.connection import Connection"),
        ("sluiceway._connection.starttls", ".py", "from .._asyncio.writer import StreamWriter"),
        (READER, ".py", "import sluiceway"),
        (READER, ".py", "from sluiceway import StreamReader"),
        (READER, ".py", "from .. import __version__"),
        (READER, ".py", "from sluiceway.cli import main"),
        (READER, ".py", "from ..stream import Stream"),
        ("sluiceway.framing.lines", ".py", "from ..stream import Stream"),
        ("sluiceway.stream.stream", ".py", "from ..serve import serve"),
        ("sluiceway.serve.serve", ".py", "from ..testing import pair"),
        ("sluiceway._new.thing", ".py", ""),
        (READER, ".py", "from .._new import thing"),
        (DEMO, ".py", "from sluiceway._connection import connection"),
        (DEMO, ".py", "from sluiceway import _connection"),
        (DEMO, ".py", "import sluiceway\nsluiceway._connection"),
        (DEMO, ".py", "from sluiceway.stream._parts import thing"),
        (DEMO, ".py", "importlib.import_module('sluiceway._core_c')"),
    ],
)
def test_import_of_higher_layer_is_found(module: str, suffix: str, source: str) -> None:
    assert len(layer_violations(read_source(source, module, suffix), module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (TLS, "from ..epoll import poller"),
        (TLS, "from .. import epoll"),
        (TLS, "from sluiceway._transports.epoll.poller import Poller"),
        (EPOLL, "from ..tls.transport import TLSTransport"),
        (INTERFACE, "from .loop_adapter import BoundedReceiver"),
        (INTERFACE, "from . import engine_choice"),
        (INTERFACE, "from .tls import transport"),
    ],
)
def test_forbidden_import_between_transports_is_found(module: str, source: str) -> None:
    for suffix in (".py", ".pyx"):
        assert len(layer_violations(read_source(source, module, suffix), module)) == 1


@pytest.mark.parametrize(
    ("module", "suffix", "source"),
    [
        (CORE, ".py", "import socket"),
        (CORE, ".py", "from ssl import SSLContext"),
        (CORE, ".py", "importlib.import_module('socket')"),
        (CORE, ".py", "import asyncio\nasyncio.new_event_loop()"),
        (CORE, ".py", "from asyncio import get_event_loop"),
        (CORE, ".py", "from asyncio.events import new_event_loop"),
        ("sluiceway._core.tls_send", ".py", "import socket"),
        (CORE_C, ".pyx", "import socket"),
        (CORE_C, ".pyx", "asyncio.run(main())"),
        (CORE_C, ".pyx", "from posix.unistd cimport read"),
        (CORE_C, ".pyx", 'cdef extern from "sys/socket.h" nogil:\n    pass'),
        (CORE_C, ".pyx", 'cdef extern from "openssl/ssl.h":\n    pass'),
        (CORE_C, ".pxd", 'cdef extern from "sys/epoll.h":\n    pass'),
    ],
)
def test_input_or_output_in_core_is_found(module: str, suffix: str, source: str) -> None:
    assert len(layer_violations(read_source(source, module, suffix), module)) == 1


@pytest.mark.parametrize(
    ("module", "suffix", "source"),
    [
        ("sluiceway", ".py", "from sluiceway._asyncio.open_connection import open_connection"),
        ("sluiceway._implementation", ".py", "importlib.import_module('sluiceway._core_c')\nfrom . import _core"),
        (READER, ".py", "from sluiceway._core import buffer\nfrom . import writer\nimport ssl"),
        (READER, ".py", "'''sluiceway._core, and sluiceway.cli, in a sentence'''\nlogging.getLogger('sluiceway')"),
        (READER, ".py", "logging.getLogger('sluiceway.errors')\n__qualname__ = 'sluiceway.StreamReader'"),
        (CORE, ".py", "import asyncio\nfrom sluiceway._errors import LimitOverrunError"),
        (CORE, ".py", "asyncio.get_running_loop()"),
        ("sluiceway._core.tls_receive", ".py", "import ssl"),
        (
            CORE_C,
            ".pyx",
            "# from .._net import resolve\n'''\nimport sluiceway._net\n'''\nfrom libc.string cimport memchr",
        ),
        (CORE_C, ".pyx", 'cdef extern from "Python.h":\n    pass\nfrom .waiter cimport Waiter\nfrom .. import _log'),
        (
            TLS,
            ".py",
            "from .. import transport_interface\nfrom ..loop_adapter import scratch_of\nfrom .options import x",
        ),
        (
            EPOLL,
            ".pyx",
            "from ..transport_interface import StreamTransport\nfrom sluiceway._core_c.waiter cimport Waiter",
        ),
        (EPOLL, ".pyx", 'cdef extern from "sys/epoll.h":\n    pass'),
        (INTERFACE, ".py", "from .._core import ReaderCore\nimport asyncio"),
        ("sluiceway._transports.engine_choice", ".py", "from .epoll import poller\nfrom .tls import transport"),
        ("sluiceway.serve.serve", ".py", "from ..stream import Stream\nfrom ..framing import lines"),
        (DEMO, ".py", "import sluiceway\nfrom sluiceway import StreamReader\nsluiceway.install()"),
        (DEMO, ".py", "from sluiceway import serve\nfrom sluiceway.stream import Stream\nsluiceway.framing"),
        (f"{DEMO}.parts", ".py", "from sluiceway.cli import demo\nfrom . import other"),
        (DEMO, ".py", "importlib.import_module('uvloop')"),
    ],
)
def test_allowed_import_is_accepted(module: str, suffix: str, source: str) -> None:
    assert layer_violations(read_source(source, module, suffix), module) == []
