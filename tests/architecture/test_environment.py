"""Only the configuration reads environment variables."""

import pytest

from architecture.environment_reads import environment_violations
from architecture.sources import Source, package_sources, read_source

READER = "sluiceway._asyncio.reader"
DEMO = "sluiceway.cli.demo"


@pytest.mark.parametrize("source", package_sources(), ids=lambda source: source.name)
def test_file_reads_no_environment_variable(source: Source) -> None:
    found = environment_violations(source.facts(), source.module)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "suffix", "source"),
    [
        (READER, ".py", "os.environ['HOME']"),
        (READER, ".py", "def f():\n    return os.getenv('SLUICEWAY_PURE')"),
        (READER, ".py", "from os import environ"),
        (READER, ".py", "from os import getenv as read"),
        (READER, ".pyx", "cdef f():\n    return os.environ.get('HOME')"),
        (READER, ".pyx", "from libc.stdlib cimport getenv"),
        (DEMO, ".py", "os.environ['SLUICEWAY_PURE']"),
        (DEMO, ".py", "os.environ.get('SLUICEWAY_PURE')"),
        (DEMO, ".py", "os.getenv('SLUICEWAY_PURE')"),
        (DEMO, ".py", "'SLUICEWAY_PURE' in os.environ"),
        (DEMO, ".py", "NAME = 'SLUICEWAY_PURE'\ndef f(environment):\n    return environment.get(NAME)"),
    ],
)
def test_read_outside_configuration_is_found(module: str, suffix: str, source: str) -> None:
    assert len(environment_violations(read_source(source, module, suffix), module)) == 1


@pytest.mark.parametrize(
    ("module", "suffix", "source"),
    [
        ("sluiceway._config", ".py", "os.environ.get('SLUICEWAY_PURE')"),
        (READER, ".py", "import os\nos.fspath(path)\n'os.environ'"),
        (READER, ".pyx", "# os.environ\nimport os"),
        (DEMO, ".py", "os.environ.get('NO_COLOR')"),
        (DEMO, ".py", "subprocess.run(command, env={**os.environ, 'SLUICEWAY_PURE': '1'})"),
        (DEMO, ".py", "print('SLUICEWAY_PURE')"),
    ],
)
def test_allowed_read_is_accepted(module: str, suffix: str, source: str) -> None:
    assert environment_violations(read_source(source, module, suffix), module) == []
