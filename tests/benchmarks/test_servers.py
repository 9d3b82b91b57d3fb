"""Each contender answers rightly in each scenario: the load generator, which checks every byte, says so."""

import dataclasses
import importlib.util

import pytest

from benchmarks import measure
from benchmarks.contenders import Contender, contender_named
from benchmarks.scenarios import Scenario, scenario_named
from support.benchmark_samples import sample_until_active
from support.external_programs import require_headers, require_program, skip_missing

CONTENDERS = ("c", "go", "asyncio", "uvloop", "sluiceway", "sluiceway-pure")
WITH_TLS = ("go", "asyncio", "uvloop", "asyncio-protocols", "uvloop-protocols", "sluiceway", "sluiceway-pure")
SCENARIOS = ("lines-64", "pingpong", "pipelined", "frames", "blocks", "sink", "source", "connect")
TLS_SCENARIOS = ("tls-lines", "tls-sink", "tls-source", "tls-handshakes", "tls-resumed")


def contender(name: str) -> Contender:
    found = contender_named(name)
    if found.language == "c":
        require_program("gcc")
    if found.language == "go":
        require_program("go", "golang")
    if name == "sluiceway" and importlib.util.find_spec("sluiceway._transports.epoll.stream_socket") is None:
        skip_missing("the engine is not installed")
    return found


def require_load_generator() -> None:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")


def small(name: str) -> Scenario:
    return dataclasses.replace(scenario_named(name), connections=3)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", CONTENDERS)
def test_every_byte_returns(name: str, scenario: str) -> None:
    require_load_generator()
    one = contender(name)
    where = small(scenario)
    found = sample_until_active(
        lambda seconds: measure.server_sample(one.command(where), one.variables, where, 0.02, seconds)
    )
    assert found.bytes > 0
    assert found.cpu_seconds > 0
    assert found.seconds >= 0.05


@pytest.mark.parametrize("scenario", TLS_SCENARIOS)
@pytest.mark.parametrize("name", WITH_TLS)
def test_every_byte_returns_with_tls(name: str, scenario: str) -> None:
    require_load_generator()
    one, whole = contender(name), small(scenario)
    where = dataclasses.replace(whole, size=min(whole.size, 256 * 1024))
    found = sample_until_active(
        lambda seconds: measure.server_sample(one.command(where), one.variables, where, 0.05, seconds)
    )
    assert found.bytes > 0
    assert found.cpu_seconds > 0


def test_whoever_has_no_tls_is_no_contender_in_it() -> None:
    for name in ("c", "trio", "anyio"):
        assert contender_named(name).runs(scenario_named("lines-64"))
        assert not contender_named(name).runs(scenario_named("tls-lines"))


def test_answers_that_go_collects_are_the_same() -> None:
    require_load_generator()
    one, where = contender_named("go-buffered"), small("pipelined")
    require_program("go", "golang")
    found = sample_until_active(
        lambda seconds: measure.server_sample(one.command(where), one.variables, where, 0.02, seconds)
    )
    assert found.messages > 0
    assert found.messages % where.batch == 0


@pytest.mark.parametrize("name", ["asyncio", "uvloop", "sluiceway", "sluiceway-pure"])
def test_a_client_has_its_answers(name: str) -> None:
    require_program("gcc")
    one, where = contender(name), small("client")
    found = sample_until_active(
        lambda seconds: measure.client_sample(one.command(where), one.variables, where, 0.05, seconds)
    )
    assert found.messages > 0
    assert found.bytes == found.messages * where.size
